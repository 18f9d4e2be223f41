"""``sfumato inspect``: what regions are found by, and what nets see."""

from __future__ import annotations

from sfumato.cli import _shared as shared
from sfumato.cli import inspect_nets, inspect_regions

app = shared.group("Look inside: clusters, GrabCut, feature maps, saliency.")

app.command("clusters")(inspect_regions.clusters)
app.command("grabcut")(inspect_regions.grabcut)
app.command("features")(inspect_nets.features)
app.command("saliency")(inspect_nets.saliency)
