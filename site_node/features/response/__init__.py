"""How a tumour answers treatment: axes of lesions from masks, and the response criteria of solid tumours."""
