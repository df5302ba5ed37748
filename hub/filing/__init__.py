"""Subject files and what is answered from them: built, decided on, erased, filled into forms."""
