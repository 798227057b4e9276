from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric


def gauge(number: float, name: str, about: str) -> Metric:
    return GaugeMetricFamily(name, about, value=number)


def gauge_by(label: str, values: Iterable[str], numbers: Mapping[str, float], name: str, about: str) -> Metric:
    """A gauge with one sample for each of `values`."""
    family = GaugeMetricFamily(name, about, labels=[label])
    for value in values:
        family.add_metric([value], numbers.get(value, 0))
    return family


def counter_by(label: str, values: Iterable[str], numbers: Mapping[str, float], name: str, about: str) -> Metric:
    family = CounterMetricFamily(name, about, labels=[label])
    for value in values:
        family.add_metric([value], numbers.get(value, 0))
    return family
