"""The notations of dates and times that the portal reads, and how DuckDB parses them. Pure."""

ISO = "YYYY-MM-DD"
ZONE = "( ?(Z|z|UTC|[-+][0-9]{2}(:?[0-9]{2})?))?"
ISO_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
ISO_TIME = f"{ISO_DATE}[ T][0-9]{{2}}:[0-9]{{2}}(:[0-9]{{2}}([.,][0-9]{{1,9}})?)?{ZONE}"
_D, _M, _Y, _N = "[0-9]{1,2}", "[0-9]{1,2}", "[0-9]{4}", "[A-Za-z]{3}"
FORMATS = {
    ISO: ("%Y-%m-%d", ISO_DATE),
    "DD/MM/YYYY": ("%d/%m/%Y", f"{_D}/{_M}/{_Y}"),
    "MM/DD/YYYY": ("%m/%d/%Y", f"{_M}/{_D}/{_Y}"),
    "DD.MM.YYYY": ("%d.%m.%Y", f"{_D}[.]{_M}[.]{_Y}"),
    "DD-MM-YYYY": ("%d-%m-%Y", f"{_D}-{_M}-{_Y}"),
    "MM-DD-YYYY": ("%m-%d-%Y", f"{_M}-{_D}-{_Y}"),
    "YYYY/MM/DD": ("%Y/%m/%d", f"{_Y}/{_M}/{_D}"),
    "YYYY.MM.DD": ("%Y.%m.%d", f"{_Y}[.]{_M}[.]{_D}"),
    "YYYYMMDD": ("%Y%m%d", "[0-9]{8}"),
    "DD/MM/YY": ("%d/%m/%y", f"{_D}/{_M}/[0-9]{{2}}"),
    "MM/DD/YY": ("%m/%d/%y", f"{_M}/{_D}/[0-9]{{2}}"),
    "DD.MM.YY": ("%d.%m.%y", f"{_D}[.]{_M}[.][0-9]{{2}}"),
    "DD Mon YYYY": ("%d %b %Y", f"{_D} {_N} {_Y}"),
    "DD-Mon-YYYY": ("%d-%b-%Y", f"{_D}-{_N}-{_Y}"),
    "DD-Mon-YY": ("%d-%b-%y", f"{_D}-{_N}-[0-9]{{2}}"),
    "DDMonYYYY": ("%d%b%Y", f"{_D}{_N}{_Y}"),
    "Mon DD, YYYY": ("%b %d, %Y", f"{_N} {_D}, {_Y}"),
    "Month DD, YYYY": ("%B %d, %Y", f"[A-Za-z]{{3,9}} {_D}, {_Y}"),
    "DD Month YYYY": ("%d %B %Y", f"{_D} [A-Za-z]{{3,9}} {_Y}"),
}
"""{notation: (as DuckDB writes it, regular expression)}. The first is ISO 8601."""
GUESSED = tuple(each for each in FORMATS if each not in {ISO, "YYYYMMDD"})
CLOCKS = ("%H:%M:%S.%f", "%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p")
CLOCK = "[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?( ?[AaPp][Mm])?"
