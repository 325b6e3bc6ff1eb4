/* The real FFT in 16-bit fixed point, bit for bit as kissfft computes it with FIXED_POINT=16, down to the energies
 * of the bins. edge_ser/frontend/fft.py is the same in NumPy. Part of the front end; see frontend.h. */
#ifndef EDGE_SER_FFT_H_
#define EDGE_SER_FFT_H_

#include "frontend.h"

/* Transforms `frontend->windowed`, scaled by `frontend->scales`, and leaves the energies of bins 1 to
 * fft_size / 2 - 1 in `frontend->bins`; bin 0 is not an energy, and the Nyquist bin is not computed: no filter uses
 * either. */
void eser_fft_energies(EserFrontend *frontend);

#endif /* EDGE_SER_FFT_H_ */
