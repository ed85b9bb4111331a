from audioclust.runs.cluster import Result as Result
from audioclust.runs.cluster import cluster as cluster
from audioclust.runs.predict.model import Model as Model
from audioclust.runs.predict.saved import load as load
