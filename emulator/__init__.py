"""A server that speaks Qianfan's completion protocol: recorded answers, faults on purpose, and models that are plugged in."""
