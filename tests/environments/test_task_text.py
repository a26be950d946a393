"""Parts of a made-up task are read however a model writes headings and code; what cannot be read has one reason."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from environments.db.author import DbDraft
from environments.db.author import read_task as read_db_task
from environments.os.author import OsDraft, read_task
from environments.task_text import Sections
from schemas.rejection import Refusal

PROBLEM = "How many lines of `/root/a.txt` hold a number? Answer with the number."
EXPLANATION = "Count with `grep -c`."
INIT = "printf 'a1\\nb\\n' > /root/a.txt"
REFERENCE = "grep -c '[0-9]' /root/a.txt"
EVALUATION = '[ "$1" = "$2" ]'
DRAFT = OsDraft(PROBLEM, EXPLANATION, INIT, REFERENCE, EVALUATION)
TITLES = ("Problem", "Explanation", "Initialisation", "Reference", "Evaluation")


def block(code: str, language: str = "bash", fence: str = "```") -> str:
    return f"{fence}{language}\n{code}\n{fence}"


CODES = (INIT, REFERENCE, EVALUATION)
BODIES = (PROBLEM, EXPLANATION, block(INIT), block(REFERENCE), block(EVALUATION))


def reply(
    heading: str = "### {}", between: str = "\n", bodies: tuple[str, ...] = BODIES, titles: tuple[str, ...] = TITLES
) -> str:
    parts = []
    for number, (title, body) in enumerate(zip(titles, bodies, strict=True), start=1):
        parts.append(heading.format(title, n=number, lower=title.lower(), upper=title.upper()) + "\n" + body)
    return ("\n" + between).join(parts) + "\n"


PLAIN = reply()


@pytest.mark.parametrize(
    "heading",
    [
        *("# {}", "## {}", "#### {}", "##### {}", "###### {}", "### {} ###", "###{}", "  ### {}"),
        *(
            "### {}:",
            "### **{}**",
            "### **{}:**",
            "### {n}. {}",
            "### {n}) {}",
            "### ({n}) {}",
            "### __{}__",
            "## *{}*",
        ),
        *(
            "**{}**",
            "**{}:**",
            "**{}**:",
            "__{}__",
            "**{n}. {}**",
            "{n}. **{}**",
            "{n}. **{}:**",
            "- **{}**",
            "> **{}**",
        ),
        *("{}", "{}:", "{n}. {}", "{n}. {}:", "{n}) {}", "{upper}:", "## {upper}", "### {lower}", "**{lower}**"),
        *(
            "### Part {n}: {}",
            "## Step {n} - {}",
            "### {} section",
            "### The {}",
            "### 📝 {}",
            "**✅ {}:**",
            "### [{}]",
        ),
        *(
            "{}\n---",
            "{}\n=====",
            "<{lower}>",
            "### `{}`",
            "### {} (bash)",
            "### {n}\\. {}",
            "\n\n### {}\n\n",
            "***{}***",
        ),
    ],
)
def test_headings_of_any_form_are_headings(heading: str) -> None:
    assert read_task(reply(heading)) == DRAFT


@pytest.mark.parametrize(
    "titles",
    [
        ("Problem statement", "Explanation", "Initialization script", "Reference solution", "Evaluation script"),
        ("Problem Description", "Explanation (for authors)", "Initialization", "Reference Script", "Evaluation Code"),
        ("Task", "Explanation", "Setup", "Solution", "Check"),
        ("Problem", "Explanations", "Initialisation Script (bash)", "Reference answer", "Evaluation script (bash):"),
    ],
)
def test_other_words_for_a_part_are_understood(titles: tuple[str, ...]) -> None:
    assert read_task(reply(titles=titles)) == DRAFT


@pytest.mark.parametrize("heading", ["### {}: ", "**{}:** ", "**{}**: ", "**{}** – ", "{}: ", "### {} - ", "{n}. {}: "])
def test_text_may_stand_on_the_heading_s_line(heading: str) -> None:
    parts = []
    for number, (title, body) in enumerate(zip(TITLES, BODIES, strict=True), start=1):
        newline = "\n" if body.startswith("```") else ""
        parts.append(heading.format(title, n=number).rstrip(" ") + (newline or " ") + body)
    assert read_task("\n\n".join(parts)) == DRAFT


@pytest.mark.parametrize(
    "text",
    [
        *(f"{fence}\n{PLAIN}{fence[:3]}" for fence in ("```markdown", "```md", "```", "```text", "~~~markdown")),
        f"````markdown\n{PLAIN}````",
        f"Here is the task:\n\n```markdown\n{PLAIN}```\n\nI hope that it serves.",
        f"```markdown\n{PLAIN.replace('```bash', '```')}```\n",
        f"```markdown\n{PLAIN}",
        f"Sure! Here is a new task.\n\n---\n\n{PLAIN}\n---\nLet me know if I should write another.",
        f"## Example 9\n{PLAIN}",
        f"## New task\n\n{PLAIN}\n### Notes\nRun it with:\n```bash\nls\n```\n",
        PLAIN.replace("\n", "\r\n"),
        f"<response>{PLAIN}</response>",
        f"<think>\n{PLAIN.replace('numbers', 'x')}\n</think>\n{PLAIN}",
        f"<think>Which one? ### Problem</think>{PLAIN}",
        f"### Problem\nA draft.\n### Reference\n```bash\nls\n```\nNot hard enough.\n</think>\n\n{PLAIN}",
        f"[THINK]Let me see.[/THINK]{PLAIN}",
        f"<|channel|>analysis<|message|>Which?<|end|><|start|>assistant<|channel|>final<|message|>{PLAIN}<|return|>",
        f"{PLAIN.replace('a.txt', 'b.txt')}\nOn reflection, a better one:\n\n{PLAIN}",
        reply(between="\n---\n\n"),
        reply(between="***\n"),
        reply(bodies=(PROBLEM, EXPLANATION, *(block(c, "sh") for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, *(block(c, "bash ") for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, *(block(c, "bash run.sh") for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, *(block(c, "{.bash}") for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, *(block(c, "", "~~~") for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, *(block(c, "bash", "````") for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, *(f"```bash {c} ```" for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, *(f"`{c}`" for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, INIT, REFERENCE, EVALUATION)),
        reply(bodies=(PROBLEM, EXPLANATION, INIT, REFERENCE, EVALUATION + "\n\nI hope this is what you want.")),
        reply(
            bodies=(
                PROBLEM,
                EXPLANATION,
                *(f"Run this:\n\n{block(c)}\nThat is all." for c in CODES),
            )
        ),
        reply(bodies=(PROBLEM, EXPLANATION, *(f"- ```bash\n  {c}\n  ```" for c in CODES))),
        reply(bodies=(PROBLEM, EXPLANATION, *(f"    ```bash\n    {c}\n    ```" for c in CODES))),
        reply(bodies=(block(PROBLEM, ""), block(EXPLANATION, "text"), *BODIES[2:])),
        PLAIN.rstrip().removesuffix("```"),
        PLAIN.replace(f"{INIT}\n```", INIT),
        PLAIN.replace(f"{INIT}\n```", f"{INIT}```"),
        PLAIN.replace(block(REFERENCE), block(REFERENCE) + "\nTo verify:\n" + block("cat /root/a.txt")),
        PLAIN.replace(block(REFERENCE), block(REFERENCE) + "\nOutput:\n```\n1\n```"),
        "\ufeff" + PLAIN,
    ],
)
def test_whatever_stands_around_a_task_is_no_part_of_it(text: str) -> None:
    assert read_task(text) == DRAFT


@pytest.mark.parametrize(
    "code",
    [
        "cat > a.md <<'EOF'\n### Problem\nx\n### Evaluation\nEOF",
        "cat > a.md <<'EOF'\n```bash\nls\n```\nEOF\nls",
        "cat > a.md <<EOF\n```\nls\n```\n## Reference\n```\nls\n```\nEOF",
        "cat <<-'END' > a.md\n\t# Evaluation\n\t```sh\n\tls\n\t```\n\tEND\necho ok",
        "cat > a <<A\n```\nA\ncat > b <<B\n```\n```\n```\nB",
        "printf '%s\\n' '# Problem' > a.md",
        "# Reference\nls",
        "cat > a.md <<'EOF'\n~~~\nx\n~~~\nEOF",
        "echo '\n```\nfoo\n```\n' > a.md",
        "echo '\n```bash\nfoo\n```\n' > a.md",
    ],
)
@pytest.mark.parametrize("fence", ["```", "~~~", "````"])
def test_code_that_writes_markdown_is_code_to_its_end(code: str, fence: str) -> None:
    bodies = (PROBLEM, EXPLANATION, block(code, "bash", fence), *BODIES[3:])
    assert read_task(reply(bodies=bodies)) == OsDraft(PROBLEM, EXPLANATION, code, REFERENCE, EVALUATION)


def test_bare_code_that_writes_headings_is_code() -> None:
    code = "# Initialisation\ncat > /root/a.md <<'EOF'\n### Problem\nx\n### Reference\nEOF\nls"
    bodies = (PROBLEM, EXPLANATION, code, REFERENCE, EVALUATION)
    assert read_task(reply(bodies=bodies)) == OsDraft(PROBLEM, EXPLANATION, code, REFERENCE, EVALUATION)


@pytest.mark.parametrize(
    "said",
    [
        *("No initialisation is needed.", "None.", "None", "N/A", "(none)", "", "Nothing to do here.", "*None*", "-"),
        *("```bash\n```", "```bash\n\n```", "No files are required; /etc/passwd exists.", "不需要初始化。", "`none`"),
    ],
)
def test_no_initialisation_is_none(said: str) -> None:
    found = read_task(reply(bodies=(PROBLEM, EXPLANATION, said, *BODIES[3:])))
    assert isinstance(found, OsDraft) and found.init.strip() == ""


@pytest.mark.parametrize(
    ("fenced", "language"),
    [
        ("```python\nprint(1)\n```", "python"),
        ("```Python3\nprint(1)\n```", "python"),
        ("```\n#!/usr/bin/env python3\nprint(1)\n```", "python"),
        ("```awk\nBEGIN { print 1 }\n```", "awk"),
        ("```awk\nfunction f(x) { return x }\nEND { print f(1) }\n```", "awk"),
        ("```awk\nawk 'END { print NR }' /root/a.txt\n```", None),
        ("```python\npython3 /root/run.py\n```", None),
        ("```shell\nls\n```", None),
        ("```console\n$ ls\na\n```", None),
    ],
)
def test_the_language_of_a_script_is_kept(fenced: str, language: str | None) -> None:
    found = read_task(reply(bodies=(*BODIES[:3], fenced, BODIES[4])))
    assert isinstance(found, OsDraft)
    assert found.languages == ({"reference": language} if language else {})
    assert found.script("reference").language == ("python" if language == "python" else "bash")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "missing_section"),
        ("Which topic do you have in mind?", "missing_section"),
        (PLAIN.partition("### Evaluation")[0], "missing_section"),
        (PLAIN.replace("### Explanation", "### Problem"), "repeated_section"),
        (f"{PLAIN}\n### Problem\nAnother one.\n", "repeated_section"),
        (PLAIN.replace(PROBLEM, ""), "empty_section"),
        (PLAIN.replace(block(REFERENCE), ""), "empty_section"),
        (PLAIN.replace(block(REFERENCE), "The reference counts the lines that hold a digit."), "no_code_block"),
        (
            PLAIN.replace(block(REFERENCE), block("ls") + "\nor, for the other task,\n" + block("rm a")),
            "several_blocks",
        ),
        (PLAIN.replace(block(INIT), block("touch a") + "\n" + block("touch b")), "several_blocks"),
        (PLAIN.partition("### Reference")[0].rstrip().removesuffix("```"), "unclosed_block"),
        (PLAIN.replace(PROBLEM, "Count. " * 2000), "too_long"),
        (PLAIN.replace(PROBLEM, "Count\x07."), "control_characters"),
    ],
)
def test_what_cannot_be_read_has_one_reason(text: str, reason: str) -> None:
    found = read_task(text)
    assert isinstance(found, Refusal) and found.reason == reason


def test_a_problem_keeps_its_own_markdown() -> None:
    problem = "Read `a.txt`:\n\n```\nx: 1\n```\n\n- Reference values are in b.txt\n- **Note:** the problem is old"
    found = read_task(PLAIN.replace(PROBLEM, problem))
    assert isinstance(found, OsDraft) and found.problem == problem


def test_a_world_of_its_own_has_titles_of_its_own() -> None:
    sections = Sections(("riddle", "key"), code=("key",), may_be_blank=())
    found = sections.read("## Riddle: What has roots?\n## Key\n```\na tree\n```\n")
    assert not isinstance(found, Refusal)
    assert {title: part.code for title, part in found.items()} == {"riddle": "What has roots?", "key": "a tree"}


SQL = "UPDATE pets\nSET age = 3\nWHERE id = 1;"
DB_DRAFT = DbDraft("Set the age of pet 1 to 3.", "One row.", SQL)


@pytest.mark.parametrize(
    "reference",
    [
        *(f"```{language}\n{SQL}\n```" for language in ("sql", "SQL", "sqlite", "postgresql", "", "sql ")),
        *(SQL, f"{SQL}\n\nThis changes one row.", f"{SQL}\nIt changes one."),
        *("Run `" + SQL.replace("\n", " ") + "` once.", f"Use this statement:\n```sql\n{SQL}\n```"),
        f"```sql\n{SQL}\n```\nTo check:\n```sql\nSELECT * FROM pets;\n```",
        f"```sql\n{SQL}\n```\n\n**Note:** one row.\n\n```sql\nSELECT age FROM pets;\n```",
        f"```sql\n{SQL}",
    ],
)
def test_a_statement_is_read_in_any_fence_or_none(reference: str) -> None:
    parts = {"Problem": DB_DRAFT.problem, "Explanation": DB_DRAFT.explanation, "Reference": reference}
    text = "\n\n---\n\n".join(f"### {title}\n{part}" for title, part in parts.items())
    found = read_db_task(text, "UPDATE")
    assert isinstance(found, DbDraft) and (found.problem, found.explanation) == (DB_DRAFT.problem, DB_DRAFT.explanation)
    assert re.sub(r"\s+", " ", found.reference) == re.sub(r"\s+", " ", SQL)


@given(
    st.lists(
        st.sampled_from([*TITLES, "### Problem", "```", "```bash", "<<EOF", "EOF", "---", "x", "", "# a"]), max_size=30
    )
)
def test_no_lines_break_the_reader(lines: list[str]) -> None:
    assert isinstance(read_task("\n".join(lines)), OsDraft | Refusal)
