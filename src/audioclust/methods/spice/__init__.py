"""SPICE (arXiv 2103.09382): the method, its reliable labels and its FixMatch stage, one file each."""

from audioclust.methods.spice.spice import SPICE as SPICE
