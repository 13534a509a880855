"""How kernels are compiled, and what a processor can do that Python has no word for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.extending
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.np.arrayobj import populate_array

intrinsic: Any = numba.extending.intrinsic

inlined: Any = njit(inline="always", error_model="numpy")
"""Decorates a phenomenon: its code becomes part of whoever calls it, before LLVM sees either."""


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function of a block of customers.

    It counts no references, so it cannot allocate: what it needs it gets, or has on the stack (see
    `reserve`). Counting references to the columns took more than half of a quarter's time.
    """
    options: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
    return njit(**options)(function)


@intrinsic
def pick(typing_context, condition, yes, no):
    """Return `yes` or `no`, two numbers of one type, by LLVM's `select`.

    Python's `yes if condition else no` is a branch, into which LLVM moves whatever only one side
    needs; a loop with a load in a branch is not turned into vectors.
    """
    signature = yes(types.boolean, yes, yes)

    def codegen(context, builder, signature, arguments):
        return builder.select(*arguments)

    return signature, codegen


@intrinsic
def fma(typing_context, a, b, c):
    """Return a * b + c in float32, rounded once: the same bits on every processor.

    Left to itself a compiler fuses where it pleases, or nowhere.
    """
    single = types.float32

    def codegen(context, builder, signature, arguments):
        name = "llvm.fma.f32"
        kind = ir.FloatType()
        function = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(kind, [kind] * 3), name
        )
        return builder.call(function, arguments)

    return single(single, single, single), codegen


@intrinsic
def reserve(typing_context, shape, dtype):
    """Return an array, not filled, on the stack of the calling function.

    It lives until that function returns: not to be called in a loop, and not to be returned. LLVM
    knows that nothing else points there, so a loop that writes there and reads elsewhere needs no
    check before it. No reference is counted.
    """
    array_type = types.Array(dtype.dtype, len(shape), "C")
    signature = array_type(shape, dtype)

    def codegen(context, builder, signature, arguments):
        size = context.get_abi_sizeof(context.get_data_type(array_type.dtype))
        sides = cgutils.unpack_tuple(builder, arguments[0])
        strides = [context.get_constant(types.intp, size)]
        for side in reversed(sides):
            strides.append(builder.mul(strides[-1], side))
        memory = builder.alloca(ir.IntType(8), strides[-1])
        memory.align = 64  # a vector register, and a line of the cache
        array = context.make_array(array_type)(context, builder)
        populate_array(
            array,
            data=builder.bitcast(memory, array.data.type),
            shape=sides,
            strides=strides[-2::-1],
            itemsize=context.get_constant(types.intp, size),
            meminfo=None,
        )
        return array._getvalue()

    return signature, codegen
