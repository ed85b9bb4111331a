"""CMSC-DCCA: the method, canonical correlation, and the two autoencoders, one file each."""

from audioclust.methods.cmsc_dcca.cmsc_dcca import CMSCDCCA as CMSCDCCA
