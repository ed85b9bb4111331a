"""The sounds of the embedded data set: sources, voices, music and events, rooms, and the recipe of each scene."""
