"""EfficientNet-B0 (Tan and Le, ICML 2019, arXiv 1905.11946) without its layer of classes: DECAR's backbone.

Blocks are MobileNetV2's (Sandler et al., 2018) with squeeze-and-excitation (Hu et al., 2018); a random share of them is
skipped in training (stochastic depth, Huang et al., 2016). Parameters stand in torchvision's order.
"""

import torch
from torch import nn

# Expansion, kernel, stride, channels, blocks (table 1; expansions and kernels are those of MBConv1, k3x3 and so on)
STAGES = (
    (1, 3, 1, 16, 1), (6, 3, 2, 24, 2), (6, 5, 2, 40, 2), (6, 3, 2, 80, 3), (6, 5, 1, 112, 3), (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)  # fmt: skip
SKIPPED = 0.2  # share of the last block; it rises from 0 for the first one


def conv(inside: int, outside: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """Convolution and BatchNorm."""
    convolution = nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(outside)]


class Excitation(nn.Module):
    """Scale each channel of (b, c, f, t) by a gate that an MLP finds from the means of all channels."""

    def __init__(self, c: int, hidden: int):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(c, hidden, 1), nn.SiLU(), nn.Conv2d(hidden, c, 1), nn.Sigmoid()
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)


class Block(nn.Module):
    """Expand, filter each channel, excite, project; added to the input where sizes agree.

    Args:
        inside, outside: channels.
        expansion: of the channels.
        kernel, stride: of the filters.
        skipped: share of a training batch for which the block is left out.
    """

    def __init__(self, inside: int, outside: int, expansion: int, kernel: int, stride: int, skipped: float):
        super().__init__()
        wide = inside * expansion
        expand = [*conv(inside, wide), nn.SiLU()] if expansion > 1 else []
        self.layers = nn.Sequential(
            *expand, *conv(wide, wide, kernel, stride, wide), nn.SiLU(), Excitation(wide, inside // 4),
            *conv(wide, outside),
        )  # fmt: skip
        self.residual, self.skipped = stride == 1 and inside == outside, skipped

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.layers(x)
        if not self.residual:
            return out
        if self.training and self.skipped:
            kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.skipped
            out = out * kept / (1 - self.skipped)
        return x + out


class EfficientNetB0(nn.Module):
    """(b, c, f, t) of any size -> (b, 1280), the mean over the last map; 4,007,548 parameters at c = 3."""

    d = 1280

    def __init__(self, channels: int = 1):
        super().__init__()
        layers, inside, count, done = [*conv(channels, 32, 3, 2), nn.SiLU()], 32, sum(s[-1] for s in STAGES), 0
        for expansion, kernel, stride, outside, blocks in STAGES:
            for i in range(blocks):
                skipped = SKIPPED * done / count
                layers.append(Block(inside, outside, expansion, kernel, 1 if i else stride, skipped))
                inside, done = outside, done + 1
        self.features = nn.Sequential(*layers, *conv(inside, self.d), nn.SiLU())
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x).mean((2, 3))
