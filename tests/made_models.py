"""A network of a few hundred weights."""

from seizure_pipeline.model.settings import ModelSettings, StreamSettings

STREAM = StreamSettings(features=4, layers=1, state=4, head_dim=4, expand=1)
SMALL = ModelSettings(
    tcn_channels=(8,),
    tcn_dilations=(1, 2),
    tcn_strides=(8, 2),
    token_kernel=1,
    electrode_stream=STREAM,
    pair_stream=STREAM,
    positions=4,
    head_features=8,
)
