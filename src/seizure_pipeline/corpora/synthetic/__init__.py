"""A generated corpus of scalp EEG: cortical sources, a head that mixes them, artefacts, and seizures that evolve."""

from seizure_pipeline.corpora.records import CorpusError
from seizure_pipeline.corpora.synthetic.corpus import generate_corpus
from seizure_pipeline.corpora.synthetic.plan import PlannedRecording, plan
from seizure_pipeline.corpora.synthetic.requirements import SyntheticSettings

__all__ = ["CorpusError", "PlannedRecording", "SyntheticSettings", "generate_corpus", "plan"]
