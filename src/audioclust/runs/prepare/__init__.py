"""Recordings of any kind to clips of one rate and length: cut into sections, decoded, joined, counted, kept."""

from audioclust.runs.prepare.joined import sounds as sounds
from audioclust.runs.prepare.prepare import Prepare as Prepare
