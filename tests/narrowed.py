"""Tables of parameters as an endpoint may narrow them, for laws that must hold inside any bounds."""

from dataclasses import replace

from hypothesis import strategies as st

from playground.endpoints import Endpoint
from playground.message import message
from playground.parameters import ParameterSpec
from playground.providers import openai, qianfan


@st.composite
def endpoints(draw: st.DrawFn) -> Endpoint:
    """An endpoint of either wire with some of its parameters, each within bounds of its own."""
    provider, table = draw(st.sampled_from([(qianfan.PROVIDER, qianfan.PARAMETERS), *((openai.PROVIDER, row) for row in openai.DIALECTS.values())]))
    chosen = draw(st.lists(st.sampled_from(table), unique=True))
    return Endpoint(
        name="narrow", title="narrow", group="test", note=message("test"), base_url="http://127.0.0.1:9", path="x", model="m", provider=provider,
        parameters=tuple(draw(narrowed(spec)) for spec in chosen), prompt_limit=draw(st.integers(1, 100)),
    )


@st.composite
def narrowed(draw: st.DrawFn, spec: ParameterSpec) -> ParameterSpec:
    """The parameter within the same bounds or narrower ones."""
    if spec.kind == "texts":
        return replace(spec, max_items=draw(st.integers(1, 4)), max_length=draw(st.none() | st.integers(1, 20)))
    if not spec.is_number or draw(st.booleans()):
        return spec
    low = spec.minimum if spec.minimum is not None else 0
    high = spec.maximum if spec.maximum is not None else low + 100
    ends = st.integers(int(low), int(high)) if spec.kind == "int" else st.floats(low, high).map(lambda value: round(value, 2))
    first, second = sorted((draw(ends), draw(ends)))
    first, second = max(first, low), min(second, high)
    return replace(spec, minimum=first, maximum=second, minimum_open=spec.minimum_open and first == low and second > first)
