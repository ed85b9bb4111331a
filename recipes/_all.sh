# shellcheck shell=bash disable=SC2034
# Sourced by `make all` and by recipes: every encoder trained here and every deep method, where params.yaml names a part.
ALL=(
  -S 'pretexts=[simclr,moco,byol,ae,dae,vae]'
  -S '++methods.cc=simclr'
  -S '++methods.cmsc_dcca=simclr'
  -S '++methods.dec=simclr'
  -S '++methods.deepcluster=simclr'
  -S '++methods.idec=simclr'
  -S '++methods.idfd=simclr'
  -S '++methods.pcl=simclr'
)
