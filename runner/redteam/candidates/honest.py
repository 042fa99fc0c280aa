"""The honest candidate that every hostile one is compared with."""

import kit

kit.honest()
