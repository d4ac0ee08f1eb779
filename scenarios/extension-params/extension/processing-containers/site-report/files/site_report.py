"""A report in the words of the site: `OPERATOR_OUT_DIR/site-report.html`.

REPORT_SITE, REPORT_LANGUAGE and REPORT_MODELS were chosen when the extension was installed, REPORT_MODEL when the
workflow was started.
"""

import html
import os
from pathlib import Path

TITLES = {"en": "Report of {site}", "de": "Bericht von {site}"}
INSTALLED = {"en": "Installed models: {models}", "de": "Installierte Modelle: {models}"}


def main():
    site, language = os.environ["REPORT_SITE"], os.environ["REPORT_LANGUAGE"]
    models = os.environ.get("REPORT_MODELS", "").replace(",", ", ")
    lines = [TITLES[language].format(site=site), os.environ["REPORT_MODEL"]]
    if models:
        lines.append(INSTALLED[language].format(models=models))
    output_dir = Path("/", os.environ["WORKFLOW_DIR"], os.environ["OPERATOR_OUT_DIR"])
    output_dir.mkdir(parents=True, exist_ok=True)
    body = "\n".join(f"<p>{html.escape(line)}</p>" for line in lines)
    (output_dir / "site-report.html").write_text(f"<!DOCTYPE html>\n<html><body>\n{body}\n</body></html>\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
