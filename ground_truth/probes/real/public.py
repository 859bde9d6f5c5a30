"""The public material of an instance on a real model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from ground_truth.probes.real.statements import N_BLOCKS, N_PUBLIC_BLOCKS, Question, StatementRows
from scribe_suite.models.spec import SETUP_CODE
from scribe_suite.scoring.real_probes import BAR, INVERSE_PENALTY, PAY_OFFS
from scribe_suite.tasks import PublicMaterial

_DATA_CODE = """
import json

data = json.load(open("statements.json"))
statements, labels = data["statements"], data["labels"]  # texts, and whether they have the property asked for
blocks = data["blocks"]  # [statement], 0 to 2: statements of different blocks are about different entities
"""


def public_material(model: str, question: Question, public: StatementRows, facts: Mapping[str, int]) -> PublicMaterial:
    """The statements with their labels and blocks, and the model."""
    data = {
        "statements": list(public.texts),
        "labels": [bool(label) for label in public.labels],
        "blocks": [int(block) for block in public.blocks],
    }
    true, false = (next(text for text, label in zip(public.texts, public.labels, strict=True) if label == wanted)
                   for wanted in (True, False))  # fmt: skip
    return PublicMaterial(
        model_code=SETUP_CODE,
        data_files={"statements.json": json.dumps(data, ensure_ascii=False).encode()},
        data_code=_DATA_CODE,
        facts={
            "n_layers": facts["n_layers"],
            "d_model": facts["d_model"],
            "shortest": facts["n_ctx"],
            "n_statements": len(public.texts),
            "n_blocks": N_PUBLIC_BLOCKS,
            "n_hidden_blocks": N_BLOCKS - N_PUBLIC_BLOCKS,
            "asks": question.asks,
            "true_example": true,
            "false_example": false,
            "bar": BAR,
            "inverse_penalty": INVERSE_PENALTY,
            "pay_offs": asdict(PAY_OFFS),
        },
        model=model,
    )
