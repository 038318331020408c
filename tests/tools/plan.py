#!/usr/bin/env python3
"""hbc plan: its numbers are those of the compiled module, its page is well-formed, needs nothing from elsewhere and takes any name."""
import json
import os
import re
import struct
from html.parser import HTMLParser

from harness import CHECKPOINT, Test, read

TRAIN = "hummingbird_loss_and_grad"
VOID = {"meta", "br", "img", "hr", "input", "link"}
# An entry with a gradient and a loop, in a file whose name is markup.
NAME = "a <b>&amp; \"c\"<script>.hb"
MODEL = """entry f (x: tensor[N, K]) where N = 200, K = 8 -> (y: tensor[N, K], dx: tensor[N, K]) {
  let t = x + stop_gradient(repeat k in 0..3 from z = x => tanh(z) * 0.5)
  let y = for i in 0..4 from h = t => h + tanh(matmul(softmax(matmul_t(h, h) * 0.1), h))
  (y, vjp(y, x, wrt: x))
}
"""


class Page(HTMLParser):
    """Balanced tags, links, exact numbers (data-v), tables, and the texts under the pointer."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.errors, self.outside, self.ids = [], [], [], []
        self.facts, self.kinds, self.tables, self.titles, self.tags = {}, {}, [], [], {}
        self.section, self.heading, self.text = None, None, ""
        self.feed(text)
        self.close()
        if self.open:
            self.errors.append(f"never closed: {self.open}")

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if len(values) != len(attributes):
            self.errors.append(f"an attribute twice in {tag} at {self.getpos()}")
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.outside += [(tag, key, value) for key, value in attributes if key in ("src", "href", "xlink:href", "data", "action", "srcset") and not (value or "").startswith("#")]
        if tag == "section":
            self.section = values.get("id")
            self.ids.append(self.section)
        if "data-key" in values:
            self.facts[self.section, values["data-key"]] = int(values["data-v"])
        if "data-kind" in values:
            self.kinds[self.section, values["data-kind"]] = int(values["data-v"])
        if tag == "table":
            self.tables.append((self.section, values.get("class", ""), []))
        if tag == "tr" and self.tables:
            self.tables[-1][2].append([])
        if tag in ("td", "th"):
            self.tables[-1][2][-1].append(values.get("data-v"))
        self.text = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}> at {self.getpos()}")
        if tag == "h1":
            self.heading = self.text
        if tag == "title" and self.section:
            self.titles.append(self.text)
        if tag == "td" and self.tables[-1][2][-1][-1] is None:
            self.tables[-1][2][-1][-1] = self.text
        self.text = ""

    def rows(self, section, style):
        return [row for where, name, rows in self.tables if where == section and style in name.split() for row in rows[1:]]


def check_page(test, what, path):
    text = read(path).decode()
    page = Page(text)
    test.check(f"{what}: well-formed", not page.errors, page.errors[:5])
    test.check(f"{what}: nothing from elsewhere", not page.outside and "@import" not in text and "url(" not in text and "://" not in text, page.outside)
    test.check(f"{what}: light and dark", "prefers-color-scheme:dark" in text and "color-scheme:light dark" in text)
    test.check(f"{what}: one script, our own", page.tags.get("script") == 1, page.tags.get("script"))
    return page


def check_entry(test, page, name, stats, memory, budget=0):
    for key in ("launches", "kernels"):
        test.check(f"{name}: {key}", page.facts[name, key] == stats[key], (page.facts, stats))
    for key in ("peak_bytes", "lower_bound_bytes", "weights_bytes"):
        test.check(f"{name}: {key}", page.facts[name, key] == memory[key], (page.facts, memory))
    test.check(f"{name}: the budget", page.facts.get((name, "budget_bytes"), 0) == budget and (not budget or page.facts[name, "left_bytes"] == budget - memory["peak_bytes"] - memory["weights_bytes"] >= 0), page.facts)
    work = {row[0]: (int(row[1]), int(row[2])) for row in page.rows(name, "flops")}
    for part, title in (("forward", "forward"), ("backward", "backward"), ("recompute", "computed again")):
        test.check(f"{name}: FLOPs {part}", work.get(title, (0, 0)) == (stats[f"flops_{part}"], stats[f"flops_executed_{part}"]), (work, stats))
    test.check(f"{name}: FLOPs in all", work["all"] == (stats["flops_forward"] + stats["flops_backward"] + stats["flops_recompute"], stats["flops_executed"]), (work, stats))
    kernels = page.rows(name, "kernels")
    families = page.rows(name, "families")
    for rows, columns in ((kernels, (2, 3, 4)), (families, (2, 3, 4))):
        sums = tuple(sum(int(row[c]) for row in rows) for c in columns)
        test.check(f"{name}: kernels add up", sums == (stats["launches"], *work["all"]), (sums, stats))
    test.check(f"{name}: a row for each kernel", len(kernels) == stats["kernels"] == sum(int(row[1]) for row in families), len(kernels))
    test.check(f"{name}: most work first", [int(row[4]) for row in kernels] == sorted((int(row[4]) for row in kernels), reverse=True))
    # The picture's own reading of the commands, against the planner's: the fullest command needs the lower bound, but for the 64 bytes behind the last value.
    kinds = {kind: value for (where, kind), value in page.kinds.items() if where == name}
    test.check(f"{name}: the peak is the lower bound", sum(kinds.values()) + 64 == memory["lower_bound_bytes"], (kinds, memory["lower_bound_bytes"]))
    saved = page.rows(name, "saved")
    smaller = page.facts.get((name, "smaller_bytes"), 0)
    test.check(f"{name}: kept tensors", sum(int(row[3]) for row in saved) + smaller == memory["saved_bytes"] and (smaller or sum(int(row[1]) for row in saved) == len(memory["saved"])), len(saved))
    test.check(f"{name}: each with its place", all(re.search(r"\.hb:\d+$", row[4]) for row in saved), saved[:3])
    # In front of the gradient everything kept is alive, but for what is read by the last forward kernels alone.
    test.check(f"{name}: what is kept at the peak", 0 <= kinds.get("kept", 0) <= memory["saved_bytes"] * 1.01 + 64 * len(memory["saved"]), (kinds, memory["saved_bytes"]))
    return kinds


def compiled(test, module, *arguments):
    done = test.must("hbc compile", test.run("hbc", "compile", *arguments, "-o", test.path(module), "--stats=json", "--memory-report=json"))
    memory, stats = [json.loads(line) for line in done.stdout.splitlines()]
    data = read(test.path(module))
    return stats, memory, json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])["targets"][0]


def up(value, unit):
    return (value + unit - 1) // unit * unit


def check_executed(test, target):
    """Executed FLOPs of products from the shapes in the module, worked out again: Winograd, and attention's gradient in five products or seven."""
    lanes = 16 if any("avx512f" in code["features"] for code in target["code"]) else 8
    seen = set()
    for kernel in target["kernels"]:
        shape = kernel.get("shape", {})
        if kernel["family"] == "contract" and shape["form"] == "planes":
            want = 2 * shape["planes"] * shape["rows"] * up(shape["columns"], 16) * shape["depth"]
            points = 4 if shape["planes"] == 16 else 8
            plain = 2 * shape["rows"] * points * 9 * shape["columns"] * shape["depth"]
            seen.add("winograd")
            test.check(f"{kernel['symbol']}: products of planes", (kernel["flops"], kernel["flops_executed"]) == (plain, want), (kernel, plain, want))
        if kernel["family"] == "attention_vjp":
            heads, queries, keys, width = shape["batch"] * shape["heads"], shape["queries"], shape["keys"], shape["width"]
            test.check("heads are square, blocks of keys whole", width == shape["value_width"] and (keys <= 128 or keys % 128 == 0), shape)
            onLanes, columns = up(keys, lanes) * width, keys * up(width, lanes)
            passes = (2, 3) if heads >= 8 else (4, 3)  # scores and their gradients, and what is summed over them
            want = 2 * heads * queries * (passes[0] * onLanes + passes[1] * columns)
            seen.add(sum(passes))
            test.check(f"{kernel['symbol']}: products of the gradient", (kernel["flops"], kernel["flops_executed"]) == (10 * heads * queries * keys * width, want), (kernel, want))
    return seen


with Test(__doc__) as test:
    model = [CHECKPOINT, "--lora-rank", "4", "--lora-targets", "to_q,to_v,ff.net.0.proj", "--steps", "3", "--grad-steps", "2", "--dim", "L=12", "--reward", f"blip2={CHECKPOINT}/rewards/blip2",
             "--entry", TRAIN, "--entry", "text_encoder.text_encode"]
    stats, memory, target = compiled(test, "train.hbm", *model)
    done = test.must("hbc plan", test.run("hbc", "plan", *model, "--html", test.path("plan.html"), "--json"))
    report = json.loads(done.stdout)
    page = check_page(test, "plan.html", test.path("plan.html"))
    test.check("a section for each entry", sorted(page.ids) == sorted(stats) == sorted(report), page.ids)
    for name in stats:
        check_entry(test, page, name, stats[name], memory[name])
        for key, value in {**memory[name], **stats[name]}.items():
            test.check(f"--json: {key}", key == "code_bytes" or report[name][key] == value, (report[name].get(key), value))
        sums = {key: sum(kernel[key] for kernel in report[name]["kernel_table"]) for key in ("launches", "flops", "flops_executed")}
        program = next(p for p in target["programs"] if p["name"] == name)
        test.check("the module's own sum", program["stats"]["flops_executed"] == sums["flops_executed"] == stats[name]["flops_executed"], (program["stats"], sums))
    test.check("the largest tensors are named", any(re.search(r"largest:\n +[\d.]+ KiB +models/\S+\.hb:\d+ \S+", title) for title in page.titles), page.titles[:2])
    test.check("forward and backward are told apart", {"forward", "backward"} <= set(page.titles), None)
    # Shapes is small: Winograd needs 64 channels, and all of its gradients of attention are of few heads.
    test.check("gradients of attention were looked at", check_executed(test, target) & {5, 7}, None)
    said = test.expect("the summary", test.run("hbc", "plan", *model), 0, r"launches of \d+ kernels", r"backward +[\d.]+ +[\d.]+").stdout
    test.check("the summary names entries", all(name in said for name in stats), said)

    half = memory[TRAIN]["weights_bytes"] + memory[TRAIN]["peak_bytes"] // 2
    done = test.must("hbc plan with a budget", test.run("hbc", "plan", *model, "--memory-budget", half, "--html", test.path("half.html"), "--json"))
    stats = memory = json.loads(done.stdout)
    test.check("the budget in words", re.search(rf"{TRAIN} needs \d+ of {half} bytes", done.stderr), done.stderr)
    page = check_page(test, "half.html", test.path("half.html"))
    kinds = check_entry(test, page, TRAIN, stats[TRAIN], memory[TRAIN], half)
    regions = page.rows(TRAIN, "recomputed")
    test.check("what is computed again", sum(int(row[4]) for row in regions) == stats[TRAIN]["flops_recompute"] > 0 and page.facts[TRAIN, "recomputed_bytes"] == memory[TRAIN]["recomputed_bytes"], regions[:3])
    test.check("and where it lies", any(title.endswith("computed again") or "computed again\n" in title for title in page.titles), kinds)

    # A loop, a gradient, and a name that is markup.
    odd = test.write(NAME, MODEL)
    stats, memory, _ = compiled(test, "odd.hbm", odd)
    test.must("hbc plan of a file", test.run("hbc", "plan", odd, "--html", test.path("odd.html")))
    page = check_page(test, "odd.html", test.path("odd.html"))
    check_entry(test, page, "f", stats["f"], memory["f"])
    test.check("the name as text", page.heading == "Plan of " + odd, page.heading)
    test.check("the loop", any("it runs 3 times" in title for title in page.titles), page.titles[:3])

    test.expect("a budget that cannot be met", test.run("hbc", "plan", odd, "--memory-budget", "1KB", "--html", test.path("no.html")), 4, "HB0831")
    test.expect("a page that cannot be written", test.run("hbc", "plan", odd, "--html", test.path("no", "where.html")), 1, "HB0901")
    test.check("no page", not os.path.exists(test.path("no.html")))
