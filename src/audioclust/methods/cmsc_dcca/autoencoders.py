"""The autoencoder of one view: of log-mels, by convolutions, or of embeddings."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from audioclust.networks.stacked import Stacked
from audioclust.views.clips import Clips

HALVINGS = 3  # of bands and parts by the convolutions
BLOCK = 512  # clips per step while parts are taken


def parts(clips: Clips, count: int) -> Tensor:
    """Return the means (n, f, count) of ``count`` equal parts of each clip's signal; padding counts nowhere.

    Of a clip with fewer frames some parts are the same frame.
    """
    found = []
    for start in range(0, clips.n, BLOCK):
        x, frames = clips[slice(start, start + BLOCK)]
        places = torch.arange(count + 1, device=x.device)
        begin = frames[:, None] * places[:-1] // count  # (b, count)
        end = torch.maximum(begin + 1, frames[:, None] * places[1:] // count)
        sums = nn.functional.pad(x.double().cumsum(2), (1, 0))
        at = [sums.gather(2, edge[:, None].expand(-1, x.shape[1], -1)) for edge in (begin, end)]
        found.append(((at[1] - at[0]) / (end - begin)[:, None]).float())
    return torch.cat(found)


class Convolutional(nn.Module):
    """Maps (b, f, t) to codes (b, z) by three convolutions of stride 2 and a linear layer, and back the same way.

    Without batch statistics: a clip's code and gradient do not depend on the clips beside it.
    """

    def __init__(self, f: int, t: int, z: int, channels: int):
        super().__init__()
        self.shape = f, t
        rows, columns = (-(-size // 2**HALVINGS) for size in (f, t))
        self.padding = 0, columns * 2**HALVINGS - t, 0, rows * 2**HALVINGS - f
        sizes = [1, *(channels * 2**i for i in range(HALVINGS))]
        self.encoder, self.decoder = nn.Sequential(nn.ConstantPad2d(self.padding, 0.0)), nn.Sequential()
        for inside, outside in pairwise(sizes):
            self.encoder.extend([nn.Conv2d(inside, outside, 3, stride=2, padding=1), nn.ReLU()])
            back = nn.ConvTranspose2d(outside, inside, 3, stride=2, padding=1, output_padding=1)
            self.decoder = nn.Sequential(nn.ReLU(), back, *self.decoder)
        inner = sizes[-1] * rows * columns
        self.encoder.extend([nn.Flatten(), nn.Linear(inner, z)])
        self.decoder = nn.Sequential(nn.Linear(z, inner), nn.Unflatten(1, (sizes[-1], rows, columns)), *self.decoder)

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x[:, None])

    def decode(self, z: Tensor) -> Tensor:
        f, t = self.shape
        return self.decoder(z)[:, 0, :f, :t]


class Vectors(Stacked):
    """Embeddings (b, d) to codes (b, z) and back, by linear layers."""

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, z: Tensor) -> Tensor:
        return self.decoder(z)
