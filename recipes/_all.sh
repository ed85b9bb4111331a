# shellcheck shell=bash disable=SC2034
# Sourced by `make all` and by recipes: every encoder trained here and every deep method, where params.yaml names a part.
ALL=(-S 'pretexts=[simclr,moco,byol]' -S '++methods.deepcluster=simclr')
