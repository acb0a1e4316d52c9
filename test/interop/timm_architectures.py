"""Print as JSON what timm makes of each architecture whose name begins with vit_ or deit, without allocating its weights.

One object a name; what is no VisionTransformer or Eva is left out.
"""

import json

import timm
import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer

found = {}
for name in timm.list_models(["vit_*", "deit*"]):
    with torch.device("meta"):
        model = timm.create_model(name, pretrained=False, num_classes=0)
    if not isinstance(model, (VisionTransformer, Eva)) or not hasattr(model.patch_embed, "patch_size"):
        continue
    block = model.blocks[0]
    found[name] = {
        "dimension": model.embed_dim,
        "blocks": len(model.blocks),
        "heads": block.attn.num_heads if hasattr(block, "attn") else 0,
        "mlpDimension": block.mlp.fc1.out_features if hasattr(getattr(block, "mlp", None), "fc1") else 0,
        "patchSize": model.patch_embed.patch_size[0],
        "layerNormEpsilon": getattr(block.norm1, "eps", 0) if hasattr(block, "norm1") else 0,
        "activation": type(block.mlp.act).__name__ if hasattr(getattr(block, "mlp", None), "act") else "",
        "names": sorted(name for name, _ in model.named_parameters() if "blocks." not in name or "blocks.0." in name),
        "globalPool": model.global_pool,
    }
print(json.dumps(found))
