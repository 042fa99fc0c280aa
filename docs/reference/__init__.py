"""The pages of the reference that are made from the code: what each says, and how."""
