"""The peer of the benchmark: the published model and its training step, written straightforwardly in PyTorch.

Reads the same GeoTIFFs with GDAL, as the original program does, or holds all of them decoded in memory (on a graphics card:
there). Answers requests, one JSON document a line on stdin, with one JSON document a line on stdout, so that its turns and
the other's alternate:

    {"do": "hello"}                                                versions; with "raw": true GDAL may be missing
    {"do": "open", "root": DIR, "patches": [ids], "bandMax": [...], "batch": 4}
        "device": "cpu" | "cuda" | "mps"; "raw": N instead of GeoTIFFs of N x N pixels reads ID.{source,target,mask}
    {"do": "loss", "model": "lut" | "conv", "theta": FILE}         loss of the first batch at these weights (float32)
    {"do": "steps", "model": ..., "memory": true | false, "compiled": true | false, "steps": N}     ms per training step
        "graph": true: the compiled step captured in a CUDA graph, replayed on batches that are copied to its place
    {"do": "prepare", "model": ..., "forms": {NAME: {"compiled": …, "graph": …}}}     the names of those that work, compiled
    {"do": "unet", "compiled": true | false, "steps": N}           ms per UNet step (forward, backward, Adam), one core

"compiled" takes `torch.compile`, which "hello" says the presence of.
"""

import importlib.util
import json
import os
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

try:
    from osgeo import gdal

    gdal.UseExceptions()
except ImportError:
    gdal = None

cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


class DoubleConv(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.double_conv = nn.Sequential(
            nn.Conv1d(inputs, outputs, 3, padding=1),
            nn.BatchNorm1d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv1d(outputs, outputs, 3, padding=1),
            nn.BatchNorm1d(outputs),
            nn.ReLU(inplace=True),
        )

    def forward(self, x):
        return self.double_conv(x)


class Up(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.up = nn.ConvTranspose1d(inputs, outputs, 2, stride=2)
        self.conv = DoubleConv(inputs, outputs)

    def forward(self, below, skip):
        below = self.up(below)
        below = F.pad(below, (0, skip.shape[2] - below.shape[2]))
        return self.conv(torch.cat([skip, below], dim=1))


class UNet(nn.Module):
    def __init__(self, bands=4, width=8, depth=4):
        super().__init__()
        self.inc = DoubleConv(bands, width)
        self.down = nn.ModuleList(DoubleConv(width << i, width << (i + 1)) for i in range(depth))
        self.up = nn.ModuleList(Up(width << (i + 1), width << i) for i in reversed(range(depth)))
        self.outc = nn.Conv1d(width, bands, 1)

    def forward(self, x):
        skips = [self.inc(x)]
        for down in self.down:
            skips.append(down(F.max_pool1d(skips[-1], 2)))
        x = skips.pop()
        for up in self.up:
            x = up(x, skips.pop())
        return self.outc(x)


class UNetLut(nn.Module):
    def __init__(self, band_max, conv):
        super().__init__()
        self.band_max = band_max
        self.unet = UNet(len(band_max))
        bands = len(band_max)
        self.conv = nn.Sequential(nn.Conv2d(bands, bands, 3, padding=1), nn.BatchNorm2d(bands)) if conv else None

    def forward(self, histogram, source):
        """histogram [B, bands, 256], source [B, bands, H, W] whole numbers within [0, bandMax - 1]"""
        lut = F.relu(self.unet(histogram)) * 100
        planes = []
        for band, size in enumerate(self.band_max):
            table = F.interpolate(lut[:, band : band + 1], size=size, mode="linear", align_corners=True)[:, 0]
            index = source[:, band].flatten(1)
            planes.append(torch.gather(table, 1, index).view(source[:, band].shape))
        y = torch.stack(planes, dim=1)
        return lut, y if self.conv is None else y + F.relu(self.conv(y))


def loss_of(lut, prediction, target, mask):
    squared = (prediction - target) ** 2 * mask
    mse = squared.sum() / (mask.sum() * target.shape[1])
    difference = lut[..., :-1] - lut[..., 1:]
    weight = torch.ones(difference.shape[-1], device=difference.device)
    weight[0] = weight[-1] = 2
    tv = (difference**2 * weight).mean() * lut.numel()
    monotonicity = F.relu(difference).mean() * lut.numel()
    return mse + 0.01 * tv + 0.01 * monotonicity


class Patches(torch.utils.data.Dataset):
    def __init__(self, root, ids, band_max, raw):
        self.root, self.ids, self.band_max, self.raw = root, ids, band_max, raw
        self.top = np.array(band_max, dtype=np.int64).reshape(-1, 1, 1) - 1
        # histograms of the masked pixels, once: the original reads them from a file
        self.histograms = [self.histogram(*self.images(i)[::2]) for i in range(len(ids))]

    def images(self, i):
        if self.raw is not None:
            kinds = {"source": np.int16, "target": np.int16, "mask": np.uint8}
            path = os.path.join(self.root, self.ids[i])
            planes = [np.fromfile(f"{path}.{kind}", dtype=dtype) for kind, dtype in kinds.items()]
            return [plane.reshape(-1, self.raw, self.raw) for plane in planes[:2]] + [
                planes[2].reshape(self.raw, self.raw)
            ]
        region, name = self.ids[i].split("/")
        paths = (os.path.join(self.root, region, folder, name) for folder in ("S2", "GF1", "mask"))
        return [gdal.Open(path).ReadAsArray() for path in paths]

    def histogram(self, source, mask):
        counts = [
            np.histogram(plane[mask > 0], bins=256, range=(0, top))[0]
            for plane, top in zip(source, self.band_max)
        ]
        counts = np.stack(counts).astype(np.float32)
        return torch.from_numpy(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        source, target, mask = self.images(i)
        return (
            self.histograms[i],
            torch.from_numpy(np.clip(source.astype(np.int64), 0, self.top)),
            torch.from_numpy(target.astype(np.float32)),
            torch.from_numpy((mask > 0).astype(np.float32))[None],
        )


def compiles():
    """Whether `torch.compile` works here: from PyTorch 2 on, with a C++ compiler, or Triton on a card."""
    if torch.cuda.is_available():
        return hasattr(torch, "compile") and importlib.util.find_spec("triton") is not None
    try:
        return bool(torch.compile(lambda x: x.sin() + 1)(torch.ones(64)).isfinite().all())
    except Exception:
        return False


if torch.cuda.is_available():
    # what who wants speed on a card switches on
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True


class Trainer:
    def __init__(self, band_max, conv, device="cpu", compiled=False, graph=False):
        torch.manual_seed(2022)
        self.model = UNetLut(band_max, conv).to(device).train()
        on_card = {"fused": True, "capturable": True} if compiled and device == "cuda" else {}
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=1e-3, weight_decay=1e-4, **on_card)
        self.forward = torch.compile(self.forward_loss, dynamic=False) if compiled else self.forward_loss
        self.graph = None
        self.is_captured = graph

    def forward_loss(self, histogram, source, target, mask):
        lut, prediction = self.model(histogram, source)
        return loss_of(lut, prediction, target, mask)

    def loss(self, batch):
        return self.forward(*batch)

    def move(self, batch):
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(batch)
        loss.backward()
        self.optimiser.step()
        return loss

    def capture(self, batch):
        self.place = [tensor.clone() for tensor in batch]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(4):
                self.move(self.place)
        torch.cuda.current_stream().wait_stream(side)
        self.graph = torch.cuda.CUDAGraph()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self.captured_loss = self.loss(self.place)
            self.captured_loss.backward()
            self.optimiser.step()

    def step(self, batch):
        if not self.is_captured:
            return self.move(batch).item()
        if self.graph is None:
            self.capture(batch)
        for place, tensor in zip(self.place, batch):
            place.copy_(tensor)
        self.graph.replay()
        return self.captured_loss.item()


class Peer:
    def hello(self, raw=False):
        if gdal is None and not raw:
            raise ImportError("No module named 'osgeo'")
        card = torch.cuda.get_device_name() if torch.cuda.is_available() else None
        mps = getattr(torch.backends, "mps", None)
        device = "cuda" if card else "mps" if mps is not None and mps.is_available() else "cpu"
        return {
            "torch": torch.__version__,
            "gdal": gdal and gdal.__version__,
            "threads": cores,
            "device": device,
            "card": card,
            "compiles": compiles(),
        }

    def open(self, root, patches, bandMax, batch, device="cpu", raw=None):
        self.batch, self.band_max, self.device = batch, bandMax, device
        self.files = Patches(root, patches, bandMax, raw)
        self.memory = None
        self.trainers, self.singles = {}, {}
        return {}

    def trainer(self, model, compiled, graph):
        key = model, compiled, graph
        if key not in self.trainers:
            self.trainers[key] = Trainer(self.band_max, model == "conv", self.device, compiled or graph, graph)
        return self.trainers[key]

    def loader(self, memory):
        if not memory:
            return torch.utils.data.DataLoader(self.files, batch_size=self.batch, shuffle=True)
        if self.memory is None:
            batches = torch.utils.data.DataLoader(self.files, batch_size=self.batch)
            self.memory = [[tensor.to(self.device) for tensor in batch] for batch in batches]
        return self.memory

    def loss(self, model, theta):
        torch.set_num_threads(cores)
        trainer = Trainer(self.band_max, model == "conv", self.device)
        vector = torch.from_numpy(np.fromfile(theta, dtype="<f4")).to(self.device)
        nn.utils.vector_to_parameters(vector, trainer.model.parameters())
        first = next(iter(torch.utils.data.DataLoader(self.files, batch_size=self.batch)))
        batch = [tensor.to(self.device) for tensor in first]
        with torch.no_grad():
            return {"loss": trainer.loss(batch).item()}

    def steps(self, model, memory, steps, compiled=False, graph=False):
        torch.set_num_threads(cores)
        loader = self.loader(memory)
        trainer = self.trainer(model, compiled, graph)
        done = 0
        start = time.perf_counter()
        while done < steps:
            for batch in loader:
                trainer.step(batch)
                done += 1
                if done == steps:
                    break
        return {"ms": 1000 * (time.perf_counter() - start) / steps}

    def prepare(self, model, forms):
        working = []
        for name, form in forms.items():
            try:
                self.steps(model, True, 2, **form)
                working.append(name)
            except Exception as error:
                print(f"{model} {name}: {type(error).__name__} {str(error)[:200]}", file=sys.stderr)
        return {"forms": working}

    def unet(self, steps, compiled=False):
        torch.set_num_threads(1)
        if compiled not in self.singles:
            torch.manual_seed(1)
            model = UNet().train()
            optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-4)
            run = torch.compile(model) if compiled else model
            self.singles[compiled] = run, optimiser, torch.rand(self.batch, 4, 256), torch.randn(self.batch, 4, 256)
        model, optimiser, x, w = self.singles[compiled]
        start = time.perf_counter()
        for _ in range(steps):
            optimiser.zero_grad()
            (model(x) * w).sum().backward()
            optimiser.step()
        return {"ms": 1000 * (time.perf_counter() - start) / steps}


def main():
    peer = Peer()
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(getattr(peer, request.pop("do"))(**request)), flush=True)


main()
