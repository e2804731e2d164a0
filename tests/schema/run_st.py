"""Runs the function block of docs/schema/taktgate.st on messages: blark reads it, this steps through it.

    run_st.py taktgate.st < calls.json > answers.json

A call is `{"Bytes": [..], "Length": 32, "Sequence": 7, "InTime": true}`; its answer has the outputs.
What a compiler would refuse is refused here too: unknown names, mixed types, a literal that does not fit.
"""
import dataclasses
import json
import pathlib
import sys

import blark.transform as tf
from blark.parse import parse_source_code

BITS = {"BYTE": 8, "WORD": 16, "DWORD": 32, "LWORD": 64}
NUMBERS = {"USINT": (8, False), "UINT": (16, False), "UDINT": (32, False), "LINT": (64, True), "INT": (16, True)}


@dataclasses.dataclass(frozen=True)
class Value:
    """A number with its IEC type; `literal` for a number that takes the type of its neighbour."""

    type: str
    number: int


def fits(type_name, number):
    if type_name in BITS:
        return 0 <= number < 1 << BITS[type_name]
    width, signed = NUMBERS[type_name]
    low = -(1 << (width - 1)) if signed else 0
    return low <= number < low + (1 << width)


def as_type(value, type_name):
    if value.type == "literal" and (type_name in BITS or type_name in NUMBERS):
        assert fits(type_name, value.number), f"{value.number} is no {type_name}"
        return Value(type_name, value.number)
    assert value.type == type_name, f"a {value.type} where a {type_name} belongs"
    return value


class Program:
    def __init__(self, text):
        self.structs, self.enums, self.arrays = {}, {}, {}
        for item in parse_source_code(text).transform().items:
            if isinstance(item, tf.DataTypeDeclaration):
                self.declare(item.declaration)
            else:
                assert isinstance(item, tf.FunctionBlock), item
                self.block = item

    def declare(self, declared):
        name = str(declared.name)
        if isinstance(declared, tf.EnumeratedTypeDeclaration):
            for value in declared.init.spec.values:
                self.enums[str(value.name)] = Value(name, int(str(value.value)))
        elif isinstance(declared, tf.StructureTypeDeclaration):
            elements = declared.declarations
            self.structs[name] = {str(e.variables[0].variable): str(e.init.spec) for e in elements}
        else:
            assert isinstance(declared, tf.ArrayTypeDeclaration), declared
            (bounds,) = declared.init.spec.subranges
            self.arrays[name] = (int(str(bounds.start)), int(str(bounds.stop)), str(declared.init.spec.type))

    def empty(self, type_name):
        if type_name in self.structs:
            return {name: self.empty(of) for name, of in self.structs[type_name].items()}
        if type_name in self.arrays:
            first, last, of = self.arrays[type_name]
            return {at: self.empty(of) for at in range(first, last + 1)}
        is_known = type_name == "BOOL" or type_name in BITS or type_name in NUMBERS
        assert is_known or any(v == Value(type_name, 0) for v in self.enums.values()), type_name
        return Value(type_name, 0)

    def call(self, inputs):
        self.memory = {}
        outputs = []
        for block in self.block.declarations:
            for item in block.items:
                name = str(item.variables[0].variable)
                self.memory[name] = self.empty(str(item.init.spec))
                if isinstance(block, tf.OutputDeclarations):
                    outputs.append(name)
        for name, given in inputs.items():
            if isinstance(given, list):
                assert len(given) == len(self.memory[name])
                self.memory[name] = {at: Value("BYTE", byte) for at, byte in enumerate(given)}
            else:
                self.memory[name] = Value(self.memory[name].type, int(given))
        self.run(self.block.body)
        return {name: plain(self.memory[name]) for name in outputs}

    def run(self, body):
        for statement in body.statements if body else []:
            match statement:
                case tf.AssignmentStatement(variables=[target], expression=expression):
                    self.assign(target, self.value(expression))
                case tf.IfStatement():
                    self.run_if(statement)
                case tf.CaseStatement():
                    self.run_case(statement)
                case tf.ForStatement(control=control, from_=first, to=last, step=None, statements=inner):
                    kind = self.value(control).type
                    first, last = (as_type(self.value(bound), kind).number for bound in (first, last))
                    for number in range(first, last + 1):
                        self.assign(control, Value(kind, number))
                        self.run(inner)
                case _:
                    raise TypeError(f"{type(statement).__name__}: {statement}")

    def run_if(self, statement):
        branches = [statement, *statement.else_ifs]
        for branch in branches:
            if self.truth(branch.if_expression):
                return self.run(branch.statements)
        if statement.else_clause:
            self.run(statement.else_clause.statements)

    def run_case(self, statement):
        selector = self.value(statement.expression)
        for case in statement.cases:
            if any(as_type(self.value(label), selector.type) == selector for label in case.matches):
                return self.run(case.statements)
        if statement.else_clause:
            self.run(statement.else_clause.statements)

    def truth(self, expression):
        return bool(as_type(self.value(expression), "BOOL").number)

    def place(self, variable):
        """The dictionary that holds a variable, and its key there."""
        if isinstance(variable, tf.SimpleVariable):
            return self.memory, str(variable.name)
        assert isinstance(variable, tf.MultiElementVariable) and len(variable.elements) == 1, variable
        (element,) = variable.elements
        within = self.memory[str(variable.name)]
        if isinstance(element, tf.FieldSelector):
            return within, str(element.field.name)
        (subscript,) = element.subscripts
        return within, self.value(subscript).number

    def assign(self, target, value):
        within, key = self.place(target)
        old = within[key]
        if isinstance(value, dict):
            assert old.keys() == value.keys()
            within[key] = dict(value)
        else:
            within[key] = as_type(value, old.type)

    def value(self, expression):
        match expression:
            case tf.Boolean(value=word):
                return Value("BOOL", int(str(word).upper() == "TRUE"))
            case tf.Integer(value=digits) | tf.BitString(value=digits):
                return Value("literal", int(str(digits), expression.base))
            case tf.ParenthesizedExpression(expr=inner):
                return self.value(inner)
            case tf.UnaryOperation(op=op, expr=inner) if str(op).upper() == "NOT":
                return Value("BOOL", int(not self.truth(inner)))
            case tf.BinaryOperation(left=left, op=op, right=right):
                return binary(str(op).upper(), self.value(left), self.value(right))
            case tf.FunctionCall(name=name, parameters=parameters):
                return function(str(name), [self.value(parameter.value) for parameter in parameters])
            case tf.SimpleVariable(name=name) if str(name) in self.enums:
                return self.enums[str(name)]
            case tf.Variable():
                within, key = self.place(expression)
                return within[key]
        raise TypeError(f"{type(expression).__name__}: {expression}")


def binary(op, left, right):
    kind = right.type if left.type == "literal" else left.type
    left, right = as_type(left, kind), as_type(right, kind)
    match op:
        case "=":
            return Value("BOOL", int(left == right))
        case "<>":
            return Value("BOOL", int(left != right))
        case "AND" | "OR" | "XOR":
            assert kind == "BOOL" or kind in BITS, f"{op} of {kind}"
            combine = {"AND": int.__and__, "OR": int.__or__, "XOR": int.__xor__}[op]
            return Value(kind, combine(left.number, right.number))
    raise TypeError(op)


def function(name, arguments):
    if name in ("SHL", "SHR"):
        value, distance = arguments
        width = BITS[value.type]
        shifted = value.number << distance.number if name == "SHL" else value.number >> distance.number
        return Value(value.type, shifted & ((1 << width) - 1))
    start, _, end = name.partition("_TO_")
    (value,) = arguments
    assert value.type == start, f"{name} of a {value.type}"
    if end in BITS:
        assert BITS[start] < BITS[end], name
        return Value(end, value.number)
    width, signed = NUMBERS[end]
    assert BITS[start] == width, name
    return Value(end, value.number - (1 << width) if signed and value.number >> (width - 1) else value.number)


def plain(value):
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return bool(value.number) if value.type == "BOOL" else value.number


program = Program(pathlib.Path(sys.argv[1]).read_text())
json.dump([program.call(inputs) for inputs in json.load(sys.stdin)], sys.stdout)
