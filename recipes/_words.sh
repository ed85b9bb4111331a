# shellcheck shell=bash disable=SC2034
# Sourced by the recipes for spoken digits, which set DATA before. docs/LOG.md says how these settings were found.
WORDS=(
  -S data.dataset=fsdd
  -S "data.root=\"$DATA/fsdd\""
  -S data.label=digit
  -S data.clip_seconds=1.0

  # Cut off quiet ends, stretch each word to a view, subtract the mean of each band.
  -S augment.width=32
  -S augment.length=fit
  -S augment.centre=band
  -S augment.trim=1.05
  -S 'augment.pool=[2,1]'
  -S augment.dynamics=2.0
  -S augment.warp=0.25
  -S augment.tilt=2.0
  -S augment.ripple=1.0

  -S 'encoders=[logmel_stats]'
  -S reduce.scale=none
  -S simclr.backbone=grid
  -S simclr.batch=256
  -S simclr.views=16
  -S spice.lr=5e-3
  -S spice.neighbours=100
)
# The baseline of the ablation: SimCLR of 30 epochs, k-means and SPICE of 10 epochs on it.
BASELINE=(
  "${WORDS[@]}"
  -S 'augment.strong=[crop,stretch,warp,tilt,filter,fader,noise,time_mask,band_mask]'
  -S 'pretexts=[simclr]'
  -S 'reducers=[none]'
  -S 'clusterers=[kmeans]'
  -S '~methods.temi'
  -S '~methods.scan'
  -S simclr.epochs=30
  -S spice.epochs=10
)
