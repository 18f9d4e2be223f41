"""Tables and the page: what they say, and that it works in a browser."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil

import pytest

from sfumato.compare import page, plots, reading, run, table

pytestmark = pytest.mark.usefixtures("judge", "descent")

TEXT = """\
title: Steps & <shares>
about: Why `<so>` & not else?
common: {style: waves, stylizer: descent, size: 64}
pictures: [one.png, two.png]
rows:
  - {name: few, options: {descent: {steps: 2}}}
  - {name: many, note: more steps, options: {descent: {steps: 20}}}
  - {name: broken, region: "cluster:1/2 & not everything"}
  - {name: again, options: {descent: {steps: 2}}}
  - {name: "<b>half</b>", region: "box:0,0,.5,1", strength: 0.5}
  - {name: found, kind: segment, region: "cluster:1/2", segmenter: kmeans}
"""


@pytest.fixture
def comparison(write, tmp_path):
    return run.run(reading.read(write(TEXT)), tmp_path / "o", isolate=False)


def test_means_and_the_best(comparison):
    rows = {line.row.name: line for line in table.lines(comparison)}
    few, many = rows["few"], rows["many"]
    assert few.mean("steps") == 2
    assert rows["found"].mean("style_loss") is None
    assert few.mean("style_loss") == pytest.approx(sum(few.values["style_loss"]) / 2)
    lines = list(rows.values())
    assert table.best(lines, page.table.MEASURES[0]) <= set(rows)
    style = next(m for m in table.known(lines) if m.name == "style_loss")
    assert table.best(lines, style) == {"many"}
    assert rows["again"].twin == "few"
    assert many.twin is None


def test_what_rows_differ_in(comparison):
    found = table.differences(comparison.plan.rows)
    assert [value for value, _ in found["steps"]] == ["2", "20", "6", "2", "6", "–"]
    assert [other for _, other in found["steps"]] == [False, True, True, False, True, False]
    assert found["strength"][4] == ("0.5", True)
    assert "size" not in found
    assert "content_weight" not in found


def test_presets_are_taken_apart():
    found = table.differences(reading.read("paper5").rows)
    assert found["preset"] == [("paper5-first", False), ("paper5-second", True)]
    assert found["learning_rate"] == [("0.00068", False), ("0.02", True)]
    assert found["steps"] == [("5000", False), ("2000", True)]
    assert found["style layers"][0][0].startswith("relu1_1 1.638e+04 · relu2_1 1536")
    assert "depth_weight" not in found


def test_everything_is_in_the_data(comparison):
    data = json.loads(page.numbers(comparison))
    assert data["pictures"] == ["one", "two"]
    assert [row["same_as"] for row in data["rows"]].count("few") == 1
    assert len(data["cells"]) == 12
    cell = data["cells"][2]
    assert (cell["row"], cell["picture"]) == ("many", "one")
    assert cell["measures"]["steps"] == 20
    assert data["rows"][1]["settings"]["steps"] == 20
    assert data["rows"][4]["means"]["seam"] > 0
    rows = list(csv.DictReader(io.StringIO(table.as_csv(comparison))))
    assert len(rows) == 12
    assert float(rows[2]["style_loss"]) == cell["measures"]["style_loss"]
    assert float(rows[2]["seconds_stylize"]) == cell["timings"]["stylize"]
    assert rows[10]["style_loss"] == ""


def test_the_page_stands_by_itself(comparison, tmp_path):
    page.write(comparison, tmp_path / "o")
    html = (tmp_path / "o" / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:)', html)
    assert "http" not in re.sub(r"data:[^\"]+", "", html)
    assert "Steps &amp; &lt;shares&gt;" in html
    assert "<b>half</b>" not in html.replace("<b>&lt;b&gt;", "")
    assert "the same settings as few" in html
    assert "Why <code>&lt;so&gt;</code> &amp; not else?" in html
    assert (tmp_path / "o" / "report.json").exists()
    assert (tmp_path / "o" / "report.csv").exists()


def test_plots_of_next_to_nothing(write, tmp_path):
    text = "common: {style: waves}\npictures: [one.png]\nrows: [{name: a, region: 'box:9,9,9,9'}]"
    text = text.replace("box:9,9,9,9", "cluster:1/2 & not everything")
    found = run.run(reading.read(write(text)), tmp_path / "o", isolate=False)
    html = page.page(found)
    assert "found no cluster" in html
    lines = table.lines(found)
    assert plots.balance(lines) is None
    assert plots.stages(found) is None


CHROMIUM = shutil.which("chromium")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="the browser 'chromium' is not installed")
def test_a_click_sorts_and_another_turns_it_round(comparison, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    page.write(comparison, tmp_path / "o")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        sheet = browser.new_page(viewport={"width": 1300, "height": 900}, offline=True)
        problems = []
        sheet.on("pageerror", lambda error: problems.append(str(error)))
        sheet.goto((tmp_path / "o" / "report.html").as_uri())
        first = sheet.locator("table.sortable").first

        def names():
            return first.locator("tbody tr td:first-child b").all_inner_texts()

        before = names()
        head = first.locator("th", has_text="style loss")
        head.click()
        rising = names()
        assert rising[0] == "many"
        assert rising[-1] in ("found", "broken")  # without a figure: last
        head.click()
        assert head.get_attribute("aria-sort") == "descending"
        falling = names()
        known = [name for name in rising if name not in ("found", "broken")]
        assert set(falling[: len(known)]) == set(known)
        assert falling[len(known) - 1] == "many"
        first.locator("th", has_text="way").click()
        assert names() == before
        sheet.locator(".pictures img").nth(3).click()
        assert sheet.locator("dialog").is_visible()
        assert sheet.evaluate("document.documentElement.scrollWidth") <= 1300
        assert problems == []
        browser.close()
