# shellcheck shell=bash disable=SC2034
# Sourced by recipes: run no deep method, or no training at all.
NO_METHODS=(-S '~methods.spice' -S '~methods.temi' -S '~methods.scan')
NO_TRAINING=(-S 'pretexts=[]' "${NO_METHODS[@]}")
