"""Reading Dockerfiles: instructions with their lines, stages, directives, and removed parts."""

from __future__ import annotations

import time

import pytest

from harness.images import features
from harness.images.dockerfile import Dockerfile

TEXT = """\
# syntax=docker/dockerfile:1.7

ARG BASE=debian:12 TAG
FROM --platform=linux/amd64 ${BASE} AS Tools
# a comment
RUN apt-get update \\
    # within

    && true
copy --link --chmod=755 a b
ONBUILD RUN --mount=type=cache,target=/x true
"""


def lines_of(text: str) -> list[tuple[int, int, str]]:
    return [(found.line, found.last, str(found)) for found in Dockerfile(text).instructions]


def test_each_instruction_has_its_lines_and_is_shown_in_one() -> None:
    assert lines_of(TEXT) == [
        (3, 3, "ARG BASE=debian:12 TAG"),
        (4, 4, "FROM --platform=linux/amd64 ${BASE} AS Tools"),
        (6, 9, "RUN apt-get update && true"),
        (10, 10, "COPY --link --chmod=755 a b"),
        (11, 11, "ONBUILD RUN --mount=type=cache,target=/x true"),
    ]
    copy = Dockerfile(TEXT).instructions[3]
    assert copy.flags == {"link": "", "chmod": "755"}
    assert copy.words == ["a", "b"]


def test_here_documents_belong_to_their_instruction() -> None:
    text = "FROM x\nRUN <<EOF cat <<-'TWO'\nFROM y\nEOF\nRUN z\n\tTWO\nCOPY <<a.txt /a\nx\na.txt\nUSER 1\n"
    assert [(line, last) for line, last, _ in lines_of(text)] == [(1, 1), (2, 6), (7, 9), (10, 10)]
    assert [found.heredocs for found in Dockerfile(text).instructions] == [False, True, True, False]


@pytest.mark.parametrize(
    "line", ['RUN echo "<<EOF"', "RUN cat <<EOF", "RUN x=$((1<<2))", "RUN cat <<< EOF", "ENV X=<<EOF"]
)
def test_text_that_only_looks_like_a_here_document_is_left_alone(line: str) -> None:
    text = f"FROM x\n{line}\nUSER 1\n" + ("EOF\n" if "cat <<EOF" not in line else "")
    assert not any(found.heredocs for found in Dockerfile(text).instructions)
    assert Dockerfile(text).instructions[2].keyword == "USER"


def test_the_sign_of_continued_lines_may_be_another_one() -> None:
    assert lines_of("# escape=`\nFROM x\nRUN a `\n  b c:\\\nUSER 1\n") == [
        (2, 2, "FROM x"),
        (3, 4, "RUN a b c:\\"),
        (5, 5, "USER 1"),
    ]


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        (TEXT, "docker/dockerfile:1.7"),
        ("#syntax = a/b:1\nFROM x\n", "a/b:1"),
        ("# escape=`\n# Syntax=a/b:1\nFROM x\n", "a/b:1"),
        # a comment, an empty line or an instruction ends the directives
        ("# a comment\n# syntax=a/b:1\nFROM x\n", ""),
        ("\n# syntax=a/b:1\nFROM x\n", ""),
        ("FROM x\n# syntax=a/b:1\n", ""),
    ],
)
def test_the_frontend_is_what_the_directive_at_the_top_names(text: str, syntax: str) -> None:
    dockerfile = Dockerfile(text)
    assert dockerfile.syntax == syntax
    without = dockerfile.without_syntax()
    assert without.syntax == ""
    assert lines_of(without.text) == lines_of(text)


def test_without_the_frontend_the_other_directives_stay() -> None:
    text = "# syntax=a/b:1\n# escape=`\nFROM x\nRUN a `\n b\n"
    assert Dockerfile(text).without_syntax().text == "# escape=`\n#\nFROM x\nRUN a `\n b\n"


STAGES = """\
ARG BASE=scratch
FROM x AS one
RUN 1
FROM one AS Two
RUN --mount=type=bind,from=three,target=/t 2
FROM y AS tests
RUN cat <<EOF
x
EOF
FROM z AS three
FROM ${BASE}
COPY --from=two /a /a
"""


def test_stages_have_names_and_bases_with_values() -> None:
    stages = Dockerfile(STAGES).stages({})
    assert [(stage.name, stage.base) for stage in stages] == [
        ("one", "x"),
        ("two", "one"),
        ("tests", "y"),
        ("three", "z"),
        ("", "scratch"),
    ]
    assert Dockerfile(STAGES).stages({"BASE": "one"})[-1].base == "one"


@pytest.mark.parametrize(
    ("base", "name"),
    [
        ("$A", "one"),
        ("${A}-x", "one-x"),
        ("${B:-two}", "two"),
        ("${A:-two}", "one"),
        ("x${A:+-y}", "x-y"),
        ("x${B:+-y}", "x"),
        ("${B}", "${B}"),
        ("x-$TARGETARCH", "x-amd64"),
        ("x-${BUILDOS}", "x-linux"),
        ("x-$TARGETVARIANT", "x-own"),
        ("x$BUILDVARIANT", "x"),
    ],
)
def test_values_are_put_into_the_names_of_bases(base: str, name: str) -> None:
    [stage] = Dockerfile(f"ARG A=one\nARG B\nARG TARGETVARIANT=own\nFROM {base}\n").stages({})
    assert stage.base == name


def test_stages_that_the_last_one_does_not_need_are_left_out_and_lines_keep_their_numbers() -> None:
    # a stage cannot use one that comes later: three is no stage for two
    needed = Dockerfile(STAGES).without_unneeded_stages({})
    assert needed.text.splitlines()[5:10] == ["#"] * 5
    assert needed.text.splitlines()[:5] == STAGES.splitlines()[:5]
    assert needed.text.splitlines()[10:] == STAGES.splitlines()[10:]


@pytest.mark.parametrize("source", ["0", "$WHICH"])
def test_all_stages_stay_where_one_is_named_by_number_or_variable(source: str) -> None:
    text = STAGES.replace("--from=two", f"--from={source}")
    assert Dockerfile(text).without_unneeded_stages({}).text == text


def test_a_file_that_is_not_a_dockerfile_is_unchanged() -> None:
    for text in ("", "hello\n", "FROM\n", "FROM x AS\n", "COPY --from=\n", "\ufeffFROM x\n", "RUN \\"):
        assert Dockerfile(text).without_unneeded_stages({}).text == text


def test_declarations_of_some_arguments_are_taken_out() -> None:
    text = "FROM x\nARG HTTP_PROXY\nARG A=1 \\\n  HTTP_PROXY=http://x B\nONBUILD ARG HTTP_PROXY C\nRUN $HTTP_PROXY\n"
    assert Dockerfile(text).without_arguments(["HTTP_PROXY"]).text == (
        "FROM x\n#\nARG A=1 B\n#\nONBUILD ARG C\nRUN $HTTP_PROXY\n"
    )


def test_secrets_become_variables_of_each_step() -> None:
    text = "FROM x\nrun --mount=type=cache,target=/x a\nRUN \\\n  b\nRUN <<EOF\nRUN c\nEOF\nONBUILD RUN d\n"
    mount = " --mount=type=secret,id=kaapana-harness-A,env=A"
    assert Dockerfile(text).with_secrets(["A"]).text == (
        f"FROM x\nrun{mount} --mount=type=cache,target=/x a\nRUN{mount} \\\n  b\nRUN{mount} <<EOF\nRUN c\nEOF\n"
        "ONBUILD RUN d\n"
    )


def test_an_instruction_is_found_as_a_builder_shows_it() -> None:
    dockerfile = Dockerfile("FROM x\nRUN echo $A ${B:-c} end\nRUN true\nRUN true\nRUN <<EOF\na\nEOF\n")
    assert dockerfile.line_of("RUN echo 1 2 3 end") == 2
    assert dockerfile.line_of("RUN <<EOF (a)") == 5
    # two instructions, or none
    assert dockerfile.line_of("RUN true") == 0
    assert dockerfile.line_of("RUN false") == 0


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\n" + "RUN cat <<END\n" * 10_000,
        "FROM x\nRUN " + "<<A " * 20_000 + "\n" + "A\n" * 10_000,
        "FROM " + "${a:-" * 20_000,
        "FROM x\nENV " + "${a#" * 20_000,
        "FROM x\nRUN " + "\"'" * 20_000,
        "FROM x\nRUN " + "$a " * 2_000 + "b\n",
        "FROM x\n" + "RUN \\\n" * 10_000,
        "ONBUILD\n" + "ONBUILD ONBUILD\n" * 1_000,
        "\f\x85\u2028FROM x\n",
    ],
)
def test_text_that_means_harm_is_read_in_little_time(text: str) -> None:
    started = time.process_time()
    dockerfile = Dockerfile(text)
    dockerfile.without_unneeded_stages({"a": "b"})
    dockerfile.line_of("RUN " + "x " * 4_000)
    list(features.find_required(dockerfile.instructions))
    dockerfile.without_arguments(["A"]).with_secrets(["B"])
    assert time.process_time() - started < 5
