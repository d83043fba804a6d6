"""Lets papermill set the parameters of TypeScript notebooks: pip install "$(npx bandalign kernel path)/papermill"."""

import json
import math
import re

from papermill.engines import NBClientEngine
from papermill.models import Parameter
from papermill.translators import Translator, papermill_translators

DECLARATION = re.compile(
    r"^[ \t]*(?P<keyword>let|const|var)\s+(?P<name>[\w$]+)\s*(?::\s*(?P<type>[^=;]+?))?\s*"
    r"=\s*(?P<value>.+?)\s*;?[ \t]*(?://[ \t]*(?P<help>.*))?$",
    re.MULTILINE,
)
LARGEST = 2**53


class TypeScriptTranslator(Translator):
    """Values as TypeScript literals: `let` is assigned to, `const` declared again with its type."""

    declared = {}

    @classmethod
    def translate_none(cls, val):
        return "null"

    @classmethod
    def translate_str(cls, val):
        return json.dumps(val)

    @classmethod
    def translate_int(cls, val):
        if abs(val) > LARGEST and int(float(val)) != val:
            raise ValueError(f"{val}; a number cannot hold it exactly; give fewer digits, or a text")
        return str(val)

    @classmethod
    def translate_float(cls, val):
        if math.isfinite(val):
            return repr(val)
        return "NaN" if math.isnan(val) else ("Infinity" if val > 0 else "-Infinity")

    @classmethod
    def translate_list(cls, val):
        return "[" + ", ".join(cls.translate(item) for item in val) + "]"

    @classmethod
    def translate_dict(cls, val):
        return "{ " + ", ".join(f"{json.dumps(str(key))}: {cls.translate(item)}" for key, item in val.items()) + " }"

    @classmethod
    def comment(cls, cmt_str):
        return f"// {cmt_str}"

    @classmethod
    def assign(cls, name, str_val):
        keyword, type_name = cls.declared.get(name, ("const", None))
        if keyword != "const":
            return f"{name} = {str_val};"
        return f"const {name}{f': {type_name}' if type_name else ''} = {str_val};"

    @classmethod
    def inspect(cls, parameters_cell):
        """Reads the parameters cell; papermill does so before it writes their values."""
        found = list(DECLARATION.finditer(parameters_cell["source"]))
        cls.declared = {one["name"]: (one["keyword"], one["type"]) for one in found}
        return [Parameter(one["name"], one["type"] or "None", one["value"], one["help"] or "") for one in found]


class Engine(NBClientEngine):
    """papermill's own engine under another name: what matters is that this module is loaded."""


papermill_translators.register("bandalign", TypeScriptTranslator)
papermill_translators.register("typescript", TypeScriptTranslator)
