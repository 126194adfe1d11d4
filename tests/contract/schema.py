# SPDX-License-Identifier: Apache-2.0
"""OpenAPI 2, as far as the two files in specs/ use it: which operation a request is, and what it and its answer break.

Stricter than the format's own rules in one point: an object that lists its properties and says nothing of others has no
others, so a misspelt name is found. And as its authors mean it: a schema that says only "object" is any value at all, as
the values of a twin are.
"""
import datetime
import json
import pathlib
import re

SPECS = pathlib.Path(__file__).resolve().parent / "specs"
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
UNDERSTOOD = {"$ref", "type", "description", "enum", "format", "properties", "required", "readOnly", "items", "default",
              "additionalProperties", "minLength", "x-ms-enum", "title"}
DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)")

# What a TPM is answered before it has proved itself: published in the device SDKs, absent from the file.
TPM_CHALLENGE = {
    "type": "object", "required": ["message", "authenticationKey", "keyName"],
    "properties": {"message": {"type": "string"}, "authenticationKey": {"type": "string"}, "keyName": {"type": "string"}}}
CHALLENGING = "RuntimeRegistration_RegisterDevice"


def is_date_time(text):
    m = DATE_TIME.fullmatch(text)
    try:
        return bool(m and datetime.datetime.fromisoformat(m.group(1) + "T" + m.group(2)))
    except ValueError:
        return False


FORMATS = {
    "date-time": is_date_time,
    "int32": lambda n: -2**31 <= n < 2**31,
    "int64": lambda n: -2**63 <= n < 2**63,
}


class Operation:
    def __init__(self, spec, method, path, doc):
        self.spec, self.method, self.path = spec, method.upper(), path
        self.id, self.responses = doc["operationId"], doc["responses"]
        self.parameters = [spec.resolve(p) for p in doc["parameters"]]
        self.segments = path.strip("/").split("/")

    def fits(self, segments):
        return len(segments) == len(self.segments) and all(
            got and (want.startswith("{") or want.lower() == got.lower()) for want, got in zip(self.segments, segments))

    def response(self, status):
        """The published answer that this status is: its key, or None."""
        if str(status) in self.responses:
            return str(status)
        return "default" if status >= 400 and "default" in self.responses else None


class Spec:
    """One OpenAPI file."""

    def __init__(self, path):
        self.doc = json.loads(pathlib.Path(path).read_text())
        self.operations = [Operation(self, method, path, doc) for path, methods in self.doc["paths"].items()
                           for method, doc in methods.items()]

    def resolve(self, schema):
        while "$ref" in schema:
            place = self.doc
            for key in schema["$ref"].removeprefix("#/").split("/"):
                place = place[key]
            schema = place
        return schema

    def breaks(self, value, schema, where, request):
        """What is wrong with a value; `request`: it was sent by a client."""
        read_only = schema.get("readOnly")
        schema = self.resolve(schema)
        unknown = set(schema) - UNDERSTOOD
        if unknown:
            raise ValueError("%s: the schema uses %s" % (where, sorted(unknown)))
        if request and (read_only or schema.get("readOnly")):
            yield "%s: only the service sets it" % where
        kind = schema.get("type")
        if kind is None or (kind == "object" and not {"properties", "additionalProperties"} & set(schema)):
            return
        if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
            yield "%s: %s is no %s" % (where, json.dumps(value)[:60], kind)
            return
        if "enum" in schema and value not in schema["enum"]:
            yield "%s: %r is none of %s" % (where, value, ", ".join(schema["enum"]))
        if "format" in schema and not FORMATS[schema["format"]](value):
            yield "%s: %r is no %s" % (where, value, schema["format"])
        if kind == "string" and len(value) < schema.get("minLength", 0):
            yield "%s: too short" % where
        if kind == "object":
            yield from self._object_breaks(value, schema, where, request)
        if kind == "array":
            for i, item in enumerate(value):
                yield from self.breaks(item, schema["items"], "%s[%d]" % (where, i), request)

    def _object_breaks(self, value, schema, where, request):
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", False)
        for name in schema.get("required", []):
            hidden = request and (properties.get(name, {}).get("readOnly"))
            if name not in value and not hidden:
                yield "%s: %s is missing" % (where, name)
        for name, item in value.items():
            inside = "%s.%s" % (where, name)
            if name in properties:
                yield from self.breaks(item, properties[name], inside, request)
            elif others is False:
                yield "%s: no such property" % inside
            elif isinstance(others, dict):
                yield from self.breaks(item, others, inside, request)


def both_specs():
    return [Spec(SPECS / "service.json"), Spec(SPECS / "device.json")]


def find_operation(specs, method, path):
    """The operation of a request; a word of the API goes before a variable in its place. None: there is none."""
    segments = path.split("?")[0].strip("/").split("/")
    found = [o for s in specs for o in s.operations if o.method == method and o.fits(segments)]
    return min(found, key=lambda o: sum(s.startswith("{") for s in o.segments)) if found else None


def text_breaks(spec, value, schema, where):
    """A value that came as text, in a header or a query."""
    if schema.get("type") == "integer":
        if not re.fullmatch(r"-?\d+", value):
            yield "%s: %r is no integer" % (where, value)
            return
        value = int(value)
    schema = {k: v for k, v in schema.items() if k in ("type", "format", "minLength", "enum")}
    yield from spec.breaks(value, schema, where, False)


def request_breaks(operation, query, headers, body):
    """`query` and `headers` are dicts (headers lower-case), `body` is JSON or None."""
    spec, known = operation.spec, {"query": {}, "header": {}, "path": {}, "body": {}}
    for p in operation.parameters:
        known[p["in"]][p["name"].lower() if p["in"] == "header" else p["name"]] = p
    for kind, given in (("query", query), ("header", headers)):
        for name, p in known[kind].items():
            if name in given:
                yield from text_breaks(spec, given[name], p, "%s %s" % (kind, name))
            elif p.get("required"):
                yield "%s %s is missing" % (kind, name)
    for name in set(query) - set(known["query"]):
        yield "query %s: no such parameter" % name
    for name in set(headers) - set(known["header"]):
        if name == "if-match" or name.startswith("x-ms-"):
            yield "header %s: no such parameter" % name
    yield from _body_breaks(spec, list(known["body"].values()), headers, body)


def _body_breaks(spec, parameters, headers, body):
    if body is None:
        for p in parameters:
            if p.get("required"):
                yield "the body is missing"
        return
    if not parameters:
        yield "there is a body where none belongs"
        return
    if headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        yield "the body's type is %s" % headers.get("content-type")
    yield from spec.breaks(body, parameters[0]["schema"], "body", True)


def answer_breaks(operation, status, headers, body):
    """`headers` is a dict, lower-case; `body` is JSON or None."""
    spec, key = operation.spec, operation.response(status)
    if key is None:
        yield "status %d is not published" % status
        return
    published = operation.responses[key]
    for name, schema in published.get("headers", {}).items():
        if name.lower() in headers:
            yield from text_breaks(spec, headers[name.lower()], schema, "header " + name)
    schema = published.get("schema")
    if operation.id == CHALLENGING and status == 401 and isinstance(body, dict) and "authenticationKey" in body:
        schema = TPM_CHALLENGE
    if schema is None:
        if body is not None:
            yield "there is a body where none belongs"
    elif body is None:
        yield "the body is missing"
    else:
        if headers.get("content-type", "").split(";")[0] != "application/json":
            yield "the body's type is %s" % headers.get("content-type")
        yield from spec.breaks(body, schema, "body", False)
