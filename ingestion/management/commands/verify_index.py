"""Compares the indexes with the database. Exit status 0: they agree, or everything found was repaired."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from ingestion.verification import verify


class Command(BaseCommand):
    help = "Find (and with --repair mend) passages that an index lacks, or has too many, and indexes that cannot be read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--repair", action="store_true")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, repair: bool, **options: Any) -> None:
        with tqdm(desc="Mending", unit="passage", file=sys.stderr, disable=not repair) as bar:

            def show(key: str, done: int, total: int) -> None:
                bar.set_description(key, refresh=False)
                bar.total, bar.n = total, done
                bar.refresh()

            findings = verify(repair=repair, progress=show)
        left = verify() if repair else findings
        if options["json"]:
            report = {"findings": [asdict(finding) for finding in findings], "left": [asdict(finding) for finding in left]}
            self.stdout.write(json.dumps(report))
        else:
            for finding in findings:
                self.stdout.write(f"{finding.partition}: {finding.message}")
            self.stdout.write("The indexes agree with the database." if not left else f"{len(left)} differences are left.")
        if left:
            raise CommandError("Run verify_index --repair.", returncode=1)
