"""Takes kind's storage manifest, and the names of its two images, out of the source that has them as constants."""

import re
import sys
from pathlib import Path

source, manifest, images = sys.argv[1:]
text = Path(source).read_text("utf-8")
names = dict(re.findall(r'^const (\w+) = "([^"]+)"$', text, re.MULTILINE))
found = re.search(r"^const defaultStorageManifest = `\n(.*)`\s*\Z", text, re.MULTILINE | re.DOTALL)
if not found:
    sys.exit(f"{source} has no storage manifest")
document = re.sub(r"` \+ (\w+) \+ `", lambda match: names[match[1]], found[1])
if "`" in document:
    sys.exit(f"the storage manifest of {source} is put together in a new way")
Path(manifest).write_text(document, "utf-8")
used = [names[role] for role in ("storageProvisionerImage", "storageHelperImage")]
Path(images).write_text("".join(f"{name}\n" for name in used), "utf-8")
