"""audioclust: cluster recordings without labels.

The library of the pipeline in ``dvc.yaml``; it knows neither DVC nor ``params.yaml`` nor a path below ``data/``.
"""
