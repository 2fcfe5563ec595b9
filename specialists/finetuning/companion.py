"""One of the further processes of a training on several GPUs; the first one starts it (specialists/training/team.py)."""

from __future__ import annotations

from pathlib import Path

from specialists.finetuning.recipe import FinetuneRecipe
from specialists.finetuning.rows import Row, RowPassage
from specialists.finetuning.training import accompany
from specialists.language_models.folders import read_model_folder
from specialists.training.team import told


def main() -> None:
    with told() as (team, order):
        rows = [Row(**{**row, "passages": tuple(RowPassage(**passage) for passage in row["passages"])}) for row in order["rows"]]
        base, recipe = read_model_folder(Path(order["base"])), FinetuneRecipe.read(order["recipe"])
        accompany(team, base, recipe, rows, Path(order["work_folder"]), order["fingerprint"])


if __name__ == "__main__":
    main()
