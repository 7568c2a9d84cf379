"""Codebooks as people have them: what is read of them, and what is refused with a sentence that helps."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.errors import Refused
from datasets.codebooks import cells, writer
from datasets.codebooks.entries import MOST_BYTES, Codebook, ColumnEntry
from datasets.codebooks.reader import read, text_of
from datasets.declarations.schema import ColumnSchema, TableSchema

REDCAP = """\
"Variable / Field Name","Form Name","Field Type","Field Label","Choices, Calculations, OR Slider Labels","Field Note",\
"Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max",Identifier?,\
"Branching Logic (Show field only if...)","Required Field?"
born,demo,text,"<p>Date of birth &amp; time</p>",,,date_ymd,1900-01-01,2010-12-31,y,,y
sex,demo,radio,Sex,"1, Male | 2, Female, or other",,,,,,,
sign,demo,checkbox,Signs,"1, Fever | 2, Cough",,,,,,[sex] = '1',y
bmi,demo,calc,BMI,[weight]/[height]^2,,,,,,,
intro,demo,descriptive,Welcome,,,,,,,,
"""
DDI = """\
<?xml version="1.0" encoding="UTF-8"?>
<codeBook xmlns="ddi:codebook:2_5"><dataDscr>
<var name="AGE" measUnit="years"><labl>Age in
 years</labl><valrng><range min="0" max="98"/></valrng><universe>All</universe>
<invalrng><item VALUE="999"/><range min="99" max="100"/><range max="-1"/></invalrng>
<varFormat type="numeric"/><sumStat type="mean">40</sumStat></var>
<var name="SEX"><qstn><qstnLit>Are you &lt;male&gt;?</qstnLit></qstn>
<catgry><catValu>1</catValu><labl>Male</labl><catStat type="freq">7</catStat></catgry>
<catgry missing="Yes"><catValu>9</catValu><labl>Refused</labl></catgry></var>
</dataDscr></codeBook>"""
SCHEMA = {
    "fields": [
        {"name": "age", "type": "integer",
         "constraints": {"minimum": 0, "maximum": 120, "required": True, "unique": True}},
        {"name": "sex", "type": "string", "title": "Sex", "constraints": {"enum": ["m", "f"]}, "format": "default"},
        {"name": "job", "categories": [{"value": 1, "label": "nurse"}], "missingValues": ["-9"]},
    ]
}  # fmt: skip


def entries(text: str) -> dict[str, ColumnEntry]:
    return {each.name: each for each in read(text, table="wages").entries}


@pytest.mark.parametrize("divider", [",", ";", "\t"])
def test_a_table_with_any_divider_and_the_usual_words(divider: str):
    rows = [
        [
            "Variable Name",
            "Label",
            "Data Type",
            "Units",
            "Minimum",
            "Maximum",
            "Value labels",
            "Required",
            "Remarks",
        ],
        ["age", '"Age; at interview, in years"', "int", "years", "18", "99", "", "yes", "asked twice"],
        ["sex", "Sex", "factor", "", "", "", "1=male|2=female", "no", ""],
        ["score", "Score", "dbl+lbl", "", "", "", "", "", ""],
    ]
    found = read("\ufeff" + "\r\n".join(divider.join(row) for row in rows), table="wages")
    age, sex, score = found.entries
    assert age == ColumnEntry(
        name="age", line=2, type="integer", description="Age; at interview, in years", unit="years", lower="18",
        upper="99", nullable=False,
    )  # fmt: skip
    assert (sex.type, sex.categories, sex.nullable) == ("category", (("1", "male"), ("2", "female")), True)
    assert (score.type, score.nullable) == ("numeric", None)
    assert found.notes == ("Not used of this codebook: “Remarks”.",)


def test_lines_before_the_table_rows_without_names_and_names_twice():
    rows = 'age,Age,18-99\n,lost,\nage,Again,\nbmi,"Two\nlines",0 to 1\nx,,many,4\n'
    text = f"Codebook of 2024\n\nname,description,range\n{rows}"
    found = read(text, table="wages")
    assert [(each.name, each.line, each.lower, each.upper) for each in found.entries] == [
        ("age", 4, "18", "99"),
        ("bmi", 7, "0", "1"),
        ("x", 9, "", ""),
    ]
    assert found.notes == (
        "Line 5 has no name of a column and was not taken.",
        "Line 9 has more cells than the header; the last were not taken.",
        "Line 6: “age” is named again. Line 4: the first one counts.",
    )
    assert found.entries[2].notes == ("“many” is not a range such as 18-99.",)


def test_lines_end_where_csv_has_them_end_and_nowhere_else():
    found = read("name,label\rage,one\u2028two\x0cthree\r\njob,Job\n", table="wages").entries
    assert [(each.name, each.line, each.description) for each in found] == [
        ("age", 2, "one\u2028two\x0cthree"),
        ("job", 3, "Job"),
    ]


def test_remarks_are_limited_and_their_number_is_said():
    found = read(
        "name,value,value label\na,,\n" + "".join(f"a,,x{each}\n" for each in range(30)), table="wages"
    )
    assert found.entries[0].notes[-1] == "And 10 more of such remarks."
    assert read("name,label\na,x\n" + ",x\n" * 300, table="wages").notes[200:] == (
        "And 100 more of such remarks.",
    )


def test_one_row_for_each_value():
    found = entries("variable,label,value,value label\nsex,Sex,1,male\n,,2,female\nage,Age,,\nage,,,old\n")
    assert found["sex"].categories == (("1", "male"), ("2", "female"))
    assert (found["age"].description, found["age"].notes) == (
        "Age",
        ("Line 5: “old” has no value beside it.",),
    )


def test_decimal_commas_and_codes_that_mean_missing():
    found = entries(
        "name;type;min;max;missing;format\nbmi;numeric;0,5;60,25;-9, -8=refused;F8.2\nage;;;;no;\n"
    )
    assert (found["bmi"].lower, found["bmi"].upper, found["bmi"].missing) == ("0.5", "60.25", ("-9", "-8"))
    assert (found["age"].nullable, found["age"].missing) == (False, ())


def test_a_dictionary_of_spss_and_counts_of_r():
    spss = "Name,Type,Width,Decimals,Label,Values,Missing,Columns,Align,Measure,Role\n"
    found = entries(
        f'{spss}sex,Numeric,8,2,Sex,"{{1.00, Male}}...",None,8,Right,Nominal,Input\nage,F8.2,8,2,Age,None,99.00,,,,\n'
    )
    assert found["sex"].notes == (
        "Its categories were not taken: by the dots at the end, these are only the first. If they are all, add a |.",
    )
    assert (found["sex"].missing, found["age"].missing, found["age"].decimals) == ((), ("99.00",), "")
    assert (found["sex"].type, found["age"].type, found["age"].categories) == ("numeric", "numeric", ())
    counted = read("pos,variable,label,col_type,missing\n1,age,Age,dbl,0\n2,job,Job,chr,12\n", table="wages")
    assert [each.missing for each in counted.entries] == [(), ()]
    assert counted.notes[1] == (
        "Of “missing”, nothing was taken: it has a whole number for every column, as counts of missing cells are. If "
        "these are codes, write one of them with its meaning, such as 99=refused."
    )
    coded = entries("variable,label,missing\nage,Age,99=refused\njob,Job,99\n")
    assert [each.missing for each in coded.values()] == [("99",), ("99",)]


def test_facts_that_say_the_same_in_two_ways_and_headers_that_mean_something_else():
    found = read(
        "name,category,range,min,value label\nage,people,18-99,20,\nsex,people,,,1=male\n", table="wages"
    )
    age, sex = found.entries
    assert (age.lower, age.upper) == ("20", "")
    assert age.notes == ("The range 18 to 99 was not taken: there are a minimum and a maximum.",)
    assert sex.categories == (("1", "male"),)
    assert found.notes == ("Not used of this codebook: “category”.",)
    assert read("name,label,branching logic\nage,Age,x\n", table="wages").notes != ()


def test_a_redcap_dictionary():
    found = read(REDCAP, table="wages")
    named = {each.name: each for each in found.entries}
    assert list(named) == ["born", "sex", "sign___1", "sign___2", "bmi"]
    born = named["born"]
    assert (born.type, born.description, born.lower, born.nullable) == (
        "date",
        "Date of birth & time",
        "1900-01-01",
        False,
    )
    assert named["sex"].categories == (("1", "Male"), ("2", "Female, or other"))
    assert (named["sign___2"].description, named["sign___2"].nullable) == ("Signs: Cough", None)
    assert (named["bmi"].type, named["bmi"].categories) == ("numeric", ())
    assert found.notes == (
        "Not used of this codebook: “Form Name”, “Field Note”, “Identifier?”.",
        "Line 4: “sign”: “required” was not taken, because it depends on other answers.",
        "Line 5: “bmi”: a calculation, or words beside a slider, were not taken.",
        "Line 6: “intro” holds no values (descriptive) and was not taken.",
    )


def test_a_table_schema_and_a_package_of_several():
    found = read(json.dumps(SCHEMA, indent=1), table="wages")
    age, sex, job = found.entries
    assert (age.lower, age.upper, age.nullable, age.line) == ("0", "120", False, 4)
    assert age.notes == ("The portal has no such constraint: “unique”.",)
    assert (sex.description, sex.categories) == ("Sex", (("m", ""), ("f", "")))
    assert (job.categories, job.missing) == ((("1", "nurse"),), ("-9",))
    assert found.notes == ("Not used of this codebook: “format”.",)
    several = {
        "resources": [
            {"name": "people", "schema": {"fields": []}},
            {"path": "data/wages.csv", "schema": SCHEMA},
        ]
    }
    assert read(json.dumps(several), table="wages").entries[0].name == "age"
    with pytest.raises(
        Refused, match=r"several tables \(“people”, “data/wages.csv”\), and none is called “visits”"
    ):
        read(json.dumps(several), table="visits")


def test_a_ddi_codebook():
    found = read(DDI, table="wages")
    age, sex = found.entries
    assert age == ColumnEntry(
        name="AGE",
        line=3,
        type="numeric",
        description="Age in years",
        unit="years",
        lower="0",
        upper="98",
        missing=("999", "99", "100"),
        notes=("A range that means missing was not taken: … to -1.",),
    )
    assert (sex.description, sex.categories, sex.missing) == ("Are you <male>?", (("1", "Male"),), ("9",))
    assert found.notes == (
        "Statistics (sumStat, catStat) were not taken: they were computed from the data.",
        "Not used of this codebook: “universe”.",
    )


def test_texts_of_a_ddi_codebook_keep_what_is_marked_in_them():
    text = "<p>L<i>x</i>y <emph>of <hi>all</hi></emph></p><p>Next</p>"
    [entry] = read(f'<codeBook><var name="a"><labl>{text}</labl></var></codeBook>', table="wages").entries
    assert entry.description == "Lxy of all Next"


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><codeBook>&b;</codeBook>'
REFUSED = {
    "nothing": (" \n", "Paste a codebook"),
    "no header": ("1,2\n3,4\n", "No line of this text names"),
    "names alone": ("name\nage\n", "No line of this text names"),
    "no rows": ("name,label\n", "it names no column"),
    "open quote": ('name,label\nage,"Age\n', "Line 2: this row cannot be divided"),
    "the table itself": ("name,label" + ",x" * 100_000 + "\n" + "a,b\n" * 500, "Line 1 has 100,002 cells"),
    "no JSON": ('{"fields": [\n}', "not JSON that the portal reads: line 2, column 1: a value is expected"),
    "deep JSON": ("[" * 100_000, "more than 130 levels"),
    "NaN": ('{"fields": [NaN]}', "it contains NaN"),
    "half a character": ('[{"name": "\\ud800"}]', "it contains an invalid character"),
    "half a character in a label": (
        '[{"name": "a", "categories": [{"value": 1, "label": "\\udc00"}]}]',
        "it contains an invalid character",
    ),
    "long number": ('{"fields": [%s]}' % ("9" * 5_000), "not JSON that the portal reads"),
    "other JSON": ('{"a": 1}', "it has no list “fields”"),
    "schema elsewhere": ('{"schema": "a.json"}', "in another file: upload a.json"),
    "laughs": (LAUGHS, "has a document type"),
    "outside": ('<!DOCTYPE codeBook SYSTEM "file:///etc/passwd"><codeBook/>', "has a document type"),
    "other XML": ("<html/>", "begins with <html>"),
    "broken XML": ("<codeBook>\n<var>", "Line 2: this is not XML"),
    "unknown entity": ("<codeBook>&nbsp;</codeBook>", "Line 1: this is not XML"),
    "deep XML": ("<codeBook>" * 200, "too many levels"),
    "no variable": ("<codeBook/>", "it names no column"),
    "too many": (
        "name,label\n" + "".join(f"c{each},x\n" for each in range(2_001)),
        "more than 2,000 columns",
    ),
    "too long": ("name,label\n" + "a,b\n" * 300_000, "at most 1 MB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_codebook_is_refused_in_words(case: str):
    text, words = REFUSED[case]
    with pytest.raises(Refused) as refused:
        read(text, table="wages")
    assert words in str(refused.value)


def test_files_in_any_usual_encoding():
    assert text_of("name;label\nage;Größe\n".encode("cp1252")).endswith("Größe\n")
    assert text_of("name\tlabel\nage\tGröße\n".encode("utf-16")).endswith("Größe\n")
    assert "Größe" in text_of('<?xml version="1.0" encoding="ISO-8859-1"?><a>Größe</a>'.encode("latin-1"))
    for content, words in {
        b"PK\x03\x04...": "workbook",
        b"a\0b": "not a text",
        b"x" * (MOST_BYTES + 1): "1 MB",
    }.items():
        with pytest.raises(Refused, match=words):
            text_of(content)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a|b|c", [("a", ""), ("b", ""), ("c", "")]),
        ("1=male; 2=female", [("1", "male"), ("2", "female")]),
        ("1=yes, 2=no", [("1", "yes"), ("2", "no")]),
        ("low, middle, high", [("low", ""), ("middle", ""), ("high", "")]),
        ("1: yes\n2: no", [("1", "yes"), ("2", "no")]),
        ("1 - yes|2 - no", [("1", "yes"), ("2", "no")]),
        ("1, Male", [("1", "Male")]),
        ("{1.00, Male}, {2.00, Female}", [("1.00", "Male"), ("2.00", "Female")]),
        ("[1] male; [2] female", [("1", "male"), ("2", "female")]),
        ("1, 2nd grade|12:30", [("1", "2nd grade"), ("12:30", "")]),
        (r"a\|b|c\=d|\1: e", [("a|b", ""), ("c=d", ""), ("1: e", "")]),
        ("'m'='male'|'f'='female'", [("m", "male"), ("f", "female")]),
        ("2020-01-01|x", [("2020-01-01", ""), ("x", "")]),
        ("0, 1", [("0", ""), ("1", "")]),
        ("{1.00, Male}{2.00, Female};", [("1.00", "Male"), ("2.00", "Female")]),
        ("{a,b}|{c,d}", [("{a,b}", ""), ("{c,d}", "")]),
        (r"1=a\=b=c", [("1", "a=b=c")]),
    ],
)
def test_notations_of_categories(text: str, found: list[tuple[str, str]]):
    assert list(cells.categories(text)) == found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("{" + " " * 100_000 + "x", 1),
        ("{" * 100_000, 1),
        ("{a," * 33_000, 33_000),
        ("{1,b}" * 20_000, 20_000),
        ("{1,b}" + " " * 100_000 + "x", 2),
        ("1" + " " * 100_000 + "x", 1),
        ("1," + " " * 100_000 + "x", 1),
        ("\\|" * 50_000, 1),
    ],
    ids=range(8),
)
def test_long_cells_are_read_in_one_pass(text: str, number: int):
    """A pattern that begins anew at each sign would take minutes."""
    assert len(cells.categories(text)) == number
    assert cells.written((text,)).endswith("|")


@pytest.mark.parametrize(
    ("text", "ends"),
    [("18-99", True), ("0 to 1", True), ("[0, 1]", True), ("0,5-1,5", True), ("0, 1", False), ("1,2", False)],
)
def test_a_comma_alone_makes_no_range_of_categories(text: str, ends: bool):
    [entry] = entries(f'name,label,values\na,A,"{text}"\n').values()
    assert (bool(entry.lower and entry.upper), bool(entry.categories)) == (ends, not ends)
    [entry] = entries(f'name,label,range\na,A,"{text}"\n').values()
    assert entry.lower
    assert entry.upper


TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Z"]) | st.sampled_from(" |\\=,;:-1'\"{}."), min_size=1
)
VALUES = TEXTS.map(str.strip).filter(bool)


@example(["{a,b}"])
@example(["{a,b", "c}"])
@example(["x", "y..."])
@example(["0, 1"])
@example(["\U000f005c", "\U000f003d", "a\U000f007c"])
@example(["a\u2028b"])
@given(st.lists(VALUES, min_size=1, max_size=4, unique=True))
def test_categories_are_read_as_they_are_written(values: list[str]):
    column = ColumnSchema(name="region", type="category", stored="string", categories=tuple(values))
    written = writer.as_csv(TableSchema(name="wages", columns=(column,)))
    assert entries(written)["region"].categories == tuple((value, "") for value in values)


@given(st.text(max_size=300) | st.text("<>&\"'{}[]:,;=|\n\tname,label var codeBook", max_size=300))
def test_whatever_comes_is_read_or_refused(text: str):
    try:
        assert isinstance(read(text, table="wages"), Codebook)
    except Refused as why:
        assert str(why)  # noqa: PT017 -- either is right


def test_what_is_constant_is_read_as_it_is_written():
    columns = [
        ColumnSchema(name=name, type="boolean", stored="bool", constant=name == "born")
        for name in ("born", "ill")
    ]
    written = writer.as_csv(TableSchema(name="wages", columns=tuple(columns)))
    assert {name: entry.constant for name, entry in entries(written).items()} == {"born": True, "ill": False}
    found = entries("name,type,same in all of a person's rows\na,text,yes\nb,text,\nc,text,mostly\n")
    assert [entry.constant for entry in found.values()] == [True, None, None]
    assert found["c"].notes == ("“mostly” was not taken: whether a column is constant is yes or no.",)
