"""Text tables as many programs write them: every row is there, or its line is named."""

import csv
import io

import pytest

from symcere_jax.errors import DataError
from symcere_jax.preparation.read import formats
from symcere_jax.preparation.read.rows import ReadingLog
from symcere_jax.preparation.settings import DialectSettings

FIELDS = ("user", "item", "rating", "text")
ROWS = [[f"u{n}", f"i{n % 3}", str(1 + n % 5), f"text {n}"] for n in range(40)]


def read(path, policy="fail", wanted=FIELDS, **dialect):
    """Lines, rows and what was collected."""
    log = ReadingLog(policy, 1)
    lines, rows = [], []
    for block in formats.reader_of(path, DialectSettings(**dialect))(path, wanted, log):
        lines += block.lines.tolist()
        rows += zip(*(block.columns[name].to_pylist() for name in wanted), strict=True)
    return lines, [list(row) for row in rows], log


def joined(rows, delimiter="\t", end="\n"):
    return "".join(delimiter.join(row) + end for row in [FIELDS, *rows])


def with_texts(texts):
    return [[*row[:3], texts.get(n, row[3])] for n, row in enumerate(ROWS)]


LONE_QUOTES = [
    {3: '"Great', 9: 'bad"'},  # together they would enclose six rows
    {3: '"Great', 9: '"Great again'},
    {3: '"Great', 4: 'bad"'},
    {0: '"Great', 39: '"bad'},
    {3: '"Great" product', 9: '5" disk', 12: '"', 20: 'the "best"'},
]


@pytest.mark.parametrize("texts", LONE_QUOTES)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_tabs_without_quoting(tmp_path, texts, end):
    path = tmp_path / "r.tsv"
    rows = with_texts(texts)
    path.write_text(joined(rows, end=end), newline="")
    lines, found, log = read(path)
    assert found == rows
    assert lines == list(range(2, 42))
    assert [note for note in log.notes if "read as they stand" in note]
    assert read(path, quoting="none")[1] == rows


@pytest.mark.parametrize("texts", LONE_QUOTES)
@pytest.mark.parametrize("delimiter", [",", ";", "|"])
def test_other_separators_without_quoting_lose_at_most_the_line_of_the_quote(
    tmp_path, texts, delimiter
):
    path = tmp_path / "r.csv"
    rows = with_texts(texts)
    path.write_text(joined(rows, delimiter))
    with pytest.raises(DataError, match=r"line \d+: quotes are not closed.*--quoting=none"):
        read(path)
    if list(texts) != [0, 39]:  # with nothing below it, a quote may as well be a file cut off
        _, found, log = read(path, "skip")
        assert len(found) + log.n_bad == len(rows)
        assert all(row in rows for row in found)
        assert len(found) >= len(rows) - len(texts)
    assert read(path, quoting="none")[1] == rows


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
def test_quoted_texts_keep_lines_and_separators(tmp_path, delimiter, quoting):
    path = tmp_path / "r.csv"
    texts = {
        1: 'a "b", c\n\nd, e; f, g\r\nh',
        2: "pro, con, price, verdict\ngood, log, 5, fine",
        5: "",
        7: '"',
        8: "C:\\",
        9: '"quoted as a whole"',
    }
    rows = with_texts(texts)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=quoting).writerows([FIELDS, *rows])
    assert read(path)[1] == rows
    assert read(path, quoting="doubled")[1] == rows


def test_quoting_that_is_stated_is_not_suspected(tmp_path):
    path = tmp_path / "r.csv"
    rows = with_texts({5: "as in\nu1,i1,5,text\nwhich is a row"})
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([FIELDS, *rows])
    with pytest.raises(DataError, match=r"line 7: quotes .*--quoting=doubled"):
        read(path)
    assert read(path, quoting="doubled")[1] == rows


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("damaged", [(), (17, 19)])
@pytest.mark.parametrize("end", ["\nas above", ""])
def test_a_line_like_a_row_within_quotes_is_never_a_row(tmp_path, quoting, delimiter, damaged, end):
    path = tmp_path / "r.csv"
    like_row = delimiter.join(("u1", "i1", "5", "text"))
    texts = {3: 'a "b", c', 18: f"as in\n{like_row}\n{like_row}{end}", 17: '"', 19: 'ends "so"'}
    rows = with_texts(texts)
    content = ""
    for number, row in enumerate([FIELDS, *rows], start=-1):
        line = io.StringIO()
        csv.writer(line, delimiter=delimiter, quoting=quoting, lineterminator="\n").writerow(row)
        lost = '"\n' if number in damaged else "\n"
        content += line.getvalue().removesuffix(lost) + "\n"
    path.write_text(content)
    _, found, log = read(path, "skip")
    assert found == [row for number, row in enumerate(rows) if number not in (18, *damaged)]
    assert log.n_bad == 1 + len(damaged)


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize("first", [0, 30])
@pytest.mark.parametrize("text", ['say "hi", he said', '"', 'ends with "', 'a\nb "c"\nd, "e"'])
def test_quotes_escaped_by_backslashes(tmp_path, delimiter, first, text):
    path = tmp_path / "r.csv"
    rows = with_texts(dict.fromkeys(range(first, 40, 3), text) | {1: "a\\b"})
    with path.open("w", newline="") as file:
        for row in [FIELDS, *rows]:
            quoted = (f'"{field}"' for field in (f.replace('"', '\\"') for f in row))
            file.write(delimiter.join(quoted) + "\n")
    found = read(path)
    assert found[1] == rows
    assert found[2].notes
    assert read(path, quoting="escaped")[1] == rows


@pytest.mark.parametrize(
    ("line", "n_bad"), [('u,i,3,"two\nlines",more\n', 2), ("u,i,3,a, b, c, d, e\n", 1)]
)
def test_a_row_of_the_wrong_length_costs_no_other(tmp_path, line, n_bad):
    path = tmp_path / "r.csv"
    lines = joined(ROWS, ",").splitlines(keepends=True)
    lines[5] = line
    path.write_text("".join(lines))
    _, found, log = read(path, "skip")
    assert found == ROWS[:4] + ROWS[5:]
    assert log.dropped == {"bad row: number of fields": n_bad}


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("name", ["r.csv", "r.tsv", "R.TSV", "r.txt", "r.inter"])
def test_separators_are_found_out(tmp_path, delimiter, name):
    path = tmp_path / name
    path.write_text(joined(ROWS, delimiter))
    _, found, log = read(path)
    assert found == ROWS
    assert bool(log.notes) == (delimiter != ("," if name == "r.csv" else "\t"))


@pytest.mark.parametrize("line", ["sep=;\n", '"sep=;"\r\n', "SEP=;\n"])
def test_the_line_of_excel(tmp_path, line):
    path = tmp_path / "r.csv"
    path.write_text(line + joined(ROWS, ";"), encoding="utf-8-sig", newline="")
    lines, found, _ = read(path)
    assert found == ROWS
    assert lines[0] == 3


@pytest.mark.parametrize("delimiter", ["::", "\\t", "\t", " "])
def test_no_header(tmp_path, delimiter):
    path = tmp_path / "r.txt"
    rows = [[*row[:3], f"text_{n}"] for n, row in enumerate(ROWS)]
    path.write_text(joined(rows, delimiter.replace("\\t", "\t")).partition("\n")[2])
    lines, found, _ = read(path, wanted=list("1234"), header=False, delimiter=delimiter)
    assert found == rows
    assert lines[0] == 1


def test_names_with_types(tmp_path):
    path = tmp_path / "r.inter"
    header = "user:token\titem:token\trating:float\ttext:token_seq"
    path.write_text(joined(ROWS).replace("\t".join(FIELDS), header))
    assert read(path)[1] == ROWS


ENCODED = with_texts({12: "schön, ça va", 15: "naïve façade", 20: "“smart” – 5 €"})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings_are_found_out(tmp_path, encoding):
    path = tmp_path / "r.csv"
    path.write_text(joined(ENCODED, ";"), encoding=encoding)
    _, found, log = read(path)
    assert found == ENCODED
    assert len(log.notes) == 1 + (encoding != "utf-8-sig")
    assert read(path, encoding=encoding.removesuffix("-sig"))[1] == ENCODED


@pytest.mark.parametrize(
    ("encoding", "text"), [("gbk", "很好看的电影"), ("cp1251", "очень хорошо"), ("utf-32", "ü")]
)
def test_other_encodings_are_named(tmp_path, encoding, text):
    path = tmp_path / "r.tsv"
    rows = with_texts(dict.fromkeys(range(9, 20), text))
    path.write_text(joined(rows), encoding=encoding)
    with pytest.raises(DataError):
        read(path)
    assert read(path, encoding=encoding)[1] == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_damage_in_an_encoded_line_costs_that_row(tmp_path, encoding):
    path = tmp_path / "r.tsv"
    content = joined(with_texts({2: "ü", 7: "schön", 9: "ü"})).encode(encoding)
    damage = b"\xff\xfe" if encoding == "utf-8" else b"\x00\xd8"
    path.write_bytes(content.replace("ö".encode(encoding)[-2:], damage))
    with pytest.raises(DataError, match=r"line 9: not UTF.*--encoding"):
        read(path)
    lines, _, log = read(path, "skip")
    assert lines == [n for n in range(2, 42) if n != 9]
    assert log.dropped == {"bad row: encoding": 1}


def test_a_file_cut_off_within_quotes(tmp_path):
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t").writerows([FIELDS, *with_texts({39: "a\nb\nc"})])
    path = tmp_path / "r.tsv"
    path.write_text(buffer.getvalue()[:-4])
    with pytest.raises(DataError, match="line 41: quotes are not closed"):
        read(path, "skip")


@pytest.mark.parametrize("quoted", [False, True])
def test_two_rows_on_a_line_count_as_two(tmp_path, quoted):
    path = tmp_path / "r.csv"
    rows = [[f'"{field}"' for field in row] for row in ROWS] if quoted else ROWS
    lines = joined(rows, ",").splitlines(keepends=True)
    for place in (3, 20):
        lines[place] = lines[place].removesuffix("\n")
    path.write_text("".join(lines))
    _, found, log = read(path, "skip")
    assert found == [row for n, row in enumerate(ROWS) if n not in (2, 3, 19, 20)]
    assert log.n_bad == 4


def test_zero_bytes_are_damage(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text(joined(with_texts({7: "te\0xt"}), ","))
    with pytest.raises(DataError, match=r"line 9: .*zero bytes"):
        read(path)
    assert read(path, "skip")[1] == ROWS[:7] + ROWS[8:]


@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_a_byte_lost_in_utf_16_is_not_taken_for_one_bad_row(tmp_path, policy):
    path = tmp_path / "r.tsv"
    content = joined(ROWS).encode("utf-16")
    path.write_bytes(content[:301] + content[302:])
    with pytest.raises(DataError, match="bytes are missing"):
        read(path, policy)


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("policy", ["fail", "skip"])
def test_a_lost_quote_in_a_quoted_tab_file_changes_no_text(tmp_path, quoting, policy):
    path = tmp_path / "r.tsv"
    rows = with_texts({3: 'a "good" one', 9: "two\ttabs", 20: 'the "best" ever'})
    buffer = io.StringIO()
    csv.writer(buffer, delimiter="\t", quoting=quoting).writerows([FIELDS, *rows])
    path.write_text(buffer.getvalue().replace('ever"', "ever"), newline="")
    if policy == "fail":
        with pytest.raises(DataError, match=r"line 22: quotes are not closed"):
            read(path)
    else:
        assert read(path, policy)[1] == rows[:20] + rows[21:]


@pytest.mark.parametrize(
    ("content", "policy", "message"),
    [
        (joined(ROWS, ",", "\r"), "fail", "line 1: .*new-line"),  # as old Macs end lines
        *((joined(ROWS, ",").replace("\n", ",", 1), policy, "line 2: 4 fields, the header has 8")
          for policy in ("fail", "skip")),
    ],
)  # fmt: skip
def test_ends_of_the_first_lines(tmp_path, content, policy, message):
    path = tmp_path / "r.csv"
    path.write_text(content, newline="")
    with pytest.raises(DataError, match=message):
        read(path, policy)
