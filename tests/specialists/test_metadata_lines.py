"""Lines about a document: left out where sentences are chosen, and no real sentence with them."""

from __future__ import annotations

import pytest

from specialists.metadata_lines import is_metadata_line


@pytest.mark.parametrize(
    "line",
    [
        "Owner: Rui Fonseca, IT · Last checked on 12 October 2026",
        "Reference: HB-11 · Version: 8 · Owner: Bart Lievens, Chief Financial Officer · Date: 1 March 2023",
        "Reference HB-11 Version 8 Owner Bart Lievens, Chief Financial Officer Date 1 March 2023",
        "From: Ada <ada@example.com> To: Ben <ben@example.com> Date: Mon, 16 Nov 2026 10:12:00 +0000",
        "Owner: Ada Lane | Version: 2 | Date: 2026-03-01",
        "Ada Lane, Chief Technology Officer · 15 September 2026",
        "Owner: People team.",
        "Kept by Ada Lane, Reach Support.",
        "Version 2, in force since 1 October 2025.",
        "LEAVING BRACKWELL Handbook HB-18, version 2, valid from 1 July 2025.",
        "Last checked: 20 August 2026.",
        "Last change on 19 October 2026.",
        "Brackwell Instruments · Data sheet Page 1 of 1",
        "BRACKWELL INSTRUMENTS",
    ],
)
def test_it_knows_a_line_about_the_document(line: str) -> None:
    assert is_metadata_line(line)


@pytest.mark.parametrize(
    "line",
    [
        "The owner of the drive approves it.",
        "Owner: whoever signed the contract.",
        "Owner Ada Lane, done in release 26.8.",
        "Version 2 is switched off on 30 June 2027; the differences are listed in the release notes.",
        "Upgrade to version 3 by 5 October 2026.",
        "Reference for customers and integrators.",
        "Date and place are on the invitation.",
        "Status: the pump must stop before the cover is opened.",
        "The hotline is open Monday · Tuesday · Friday.",
        "Version 3 | 5 October 2026 | New filters",
        "Signed forms go to the People team by 1 March 2026.",
        "From May, owners send the version and the date to the author.",
        "DO NOT OPEN THE VALVE",
        "WARNING HIGH VOLTAGE",
        "Call 4400.",
        "",
    ],
)
def test_it_leaves_a_sentence_of_the_subject(line: str) -> None:
    assert not is_metadata_line(line)
