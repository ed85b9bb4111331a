"""The stacked autoencoder of DEC (Xie et al., ICML 2016, arXiv 1511.06335): D-500-500-2000-d and its mirror."""

from collections.abc import Sequence

from torch import Tensor, nn

from audioclust.networks.heads import mlp


class Stacked(nn.Module):
    """Linear layers from vectors (b, dims[0]) to codes (b, dims[-1]) and back the same way, to (b, dims[0]).

    A ReLU follows each but the code's and the last one.
    """

    def __init__(self, dims: Sequence[int]):
        super().__init__()
        self.encoder, self.decoder = mlp(dims), mlp(dims[::-1])

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.encoder(x))

    def pairs(self) -> list[tuple[nn.Linear, nn.Linear]]:
        """Return each layer of the encoder with its mirror, from the outermost."""
        encode, decode = (
            [layer for layer in part if isinstance(layer, nn.Linear)] for part in (self.encoder, self.decoder)
        )
        return list(zip(encode, reversed(decode), strict=True))
