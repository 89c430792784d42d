// The gated delta rule, one token after the other, in registers and cache (README.md).
//
// A state lies column by column, so that its R rows, which do not see each other, are the lanes of
// one vector. Tensors are (B, T, N, R), contiguous; G = B * N states are shared out over threads.
// Backward makes states again from checkpoints, one every PIECE tokens.

#include <algorithm>
#include <cstdint>
#include <thread>
#include <vector>

namespace {

constexpr int64_t PIECE = 32;

struct Shape {
  int64_t batch, time, states, rank, threads;
};

template <typename X>
struct Tokens {
  const X *q, *k, *v, *keep, *erase, *write;
  const bool *mask;
};

template <typename X>
struct Gradients {
  X *q, *k, *v, *keep, *erase, *write;
};

// Runs `work(g)` for every state.
template <typename Work>
void each_state(const Shape &shape, Work work) {
  const int64_t count = shape.batch * shape.states;
  const int64_t threads = std::max<int64_t>(1, std::min(shape.threads, count));
  std::vector<std::thread> others;
  const auto range = [&](int64_t n) {
    for (int64_t g = n * count / threads; g < (n + 1) * count / threads; ++g) work(g);
  };
  for (int64_t n = 1; n < threads; ++n) others.emplace_back(range, n);
  range(0);
  for (auto &other : others) other.join();
}

// out_i = sum_j S_ij x_j
template <typename X>
inline void product(const X *__restrict__ state, const X *__restrict__ x, X *__restrict__ out, int64_t rank) {
  for (int64_t i = 0; i < rank; ++i) out[i] = 0;
  for (int64_t j = 0; j < rank; ++j)
    for (int64_t i = 0; i < rank; ++i) out[i] += state[j * rank + i] * x[j];
}

// S_ij <- keep_i S_ij + change_i key_j
template <typename X>
inline void update(X *__restrict__ state, const X *__restrict__ keep, const X *__restrict__ change, const X *__restrict__ key, int64_t rank) {
  for (int64_t j = 0; j < rank; ++j)
    for (int64_t i = 0; i < rank; ++i)
      state[j * rank + i] = keep[i] * state[j * rank + i] + change[i] * key[j];
}

template <typename X>
inline void transpose(const X *__restrict__ from, X *__restrict__ to, int64_t rank) {
  for (int64_t i = 0; i < rank; ++i)
    for (int64_t j = 0; j < rank; ++j) to[j * rank + i] = from[i * rank + j];
}

// One token: `predicted` receives S k, `change` what is added along k.
template <typename X>
inline void write_token(const Tokens<X> &x, int64_t at, X *state, X *predicted, X *change,
                        int64_t rank) {
  product(state, x.k + at, predicted, rank);
  for (int64_t i = 0; i < rank; ++i)
    change[i] = x.write[at + i] * x.v[at + i] - x.erase[at + i] * predicted[i];
  update(state, x.keep + at, change, x.k + at, rank);
}

template <typename X, int RANK>
void forward_state(const Shape &shape, const Tokens<X> &x, int64_t g, const X *start, X *reads,
                   X *end, X *checkpoints) {
  const int64_t rank = RANK ? RANK : shape.rank, square = rank * rank;
  const int64_t b = g / shape.states, pieces = (shape.time + PIECE - 1) / PIECE;
  std::vector<X> space(square + 2 * rank);
  X *state = space.data(), *predicted = state + square, *change = predicted + rank;
  transpose(start + g * square, state, rank);
  for (int64_t t = 0; t < shape.time; ++t) {
    if (checkpoints && t % PIECE == 0)
      std::copy(state, state + square, checkpoints + (g * pieces + t / PIECE) * square);
    const int64_t at = ((b * shape.time + t) * shape.states + g % shape.states) * rank;
    if (x.mask && !x.mask[b * shape.time + t]) {
      if (x.q) std::fill(reads + at, reads + at + rank, X(0));
      continue;
    }
    if (x.q) product(state, x.q + at, reads + at, rank);
    write_token(x, at, state, predicted, change, rank);
  }
  transpose(state, end + g * square, rank);
}

template <typename X, int RANK>
void backward_token(const Tokens<X> &x, const Gradients<X> &d, int64_t at, const X *d_reads,
                    const X *state, const X *predicted, const X *u, X *after, X *d_u,
                    int64_t runtime_rank) {
  const int64_t rank = RANK ? RANK : runtime_rank;
  product(after, x.k + at, d_u, rank);
  for (int64_t i = 0; i < rank; ++i) {
    d.v[at + i] = d_u[i] * x.write[at + i];
    d.write[at + i] = d_u[i] * x.v[at + i];
    d.erase[at + i] = -d_u[i] * predicted[i];
    d_u[i] *= -x.erase[at + i];
    d.keep[at + i] = 0;
  }
  for (int64_t j = 0; j < rank; ++j) {
    X key = 0, query = 0;
    for (int64_t i = 0; i < rank; ++i) {
      const int64_t ij = j * rank + i;
      key += after[ij] * u[i] + state[ij] * d_u[i];
      d.keep[at + i] += after[ij] * state[ij];
      if (x.q) query += state[ij] * d_reads[at + i];
    }
    d.k[at + j] = key;
    if (x.q) d.q[at + j] = query;
  }
  update(after, x.keep + at, d_u, x.k + at, rank);
  if (x.q)
    for (int64_t j = 0; j < rank; ++j)
      for (int64_t i = 0; i < rank; ++i) after[j * rank + i] += d_reads[at + i] * x.q[at + j];
}

template <typename X, int RANK>
void backward_state(const Shape &shape, const Tokens<X> &x, const Gradients<X> &d, int64_t g,
                    const X *checkpoints, const X *d_reads, const X *d_end, X *d_start) {
  const int64_t rank = RANK ? RANK : shape.rank, square = rank * rank;
  const int64_t b = g / shape.states, pieces = (shape.time + PIECE - 1) / PIECE;
  std::vector<X> space((PIECE + 2) * square + 2 * PIECE * rank + rank);
  X *after = space.data(), *states = after + square, *predicted = states + (PIECE + 1) * square;
  X *change = predicted + PIECE * rank, *d_u = change + PIECE * rank;
  transpose(d_end + g * square, after, rank);
  for (int64_t piece = pieces - 1; piece >= 0; --piece) {
    const int64_t first = piece * PIECE, last = std::min(first + PIECE, shape.time);
    const auto place = [&](int64_t t) {
      return ((b * shape.time + t) * shape.states + g % shape.states) * rank;
    };
    const auto gone = [&](int64_t t) { return x.mask && !x.mask[b * shape.time + t]; };
    const X *saved = checkpoints + (g * pieces + piece) * square;
    std::copy(saved, saved + square, states);
    for (int64_t t = first; t < last; ++t) {
      const int64_t n = t - first;
      X *next = states + (n + 1) * square;
      std::copy(states + n * square, states + (n + 1) * square, next);
      if (!gone(t))
        write_token(x, place(t), next, predicted + n * rank, change + n * rank, rank);
    }
    for (int64_t t = last - 1; t >= first; --t) {
      const int64_t n = t - first, at = place(t);
      if (!gone(t)) {
        backward_token<X, RANK>(x, d, at, d_reads, states + n * square, predicted + n * rank,
                                change + n * rank, after, d_u, rank);
        continue;
      }
      for (X *one : {d.q, d.k, d.v, d.keep, d.erase, d.write})
        if (one) std::fill(one + at, one + at + rank, X(0));
    }
  }
  transpose(after, d_start + g * square, rank);
}

template <typename X>
void forward(const int64_t *sizes, void *const *p) {
  const Shape shape{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
  const auto in = [&](int n) { return static_cast<const X *>(p[n]); };
  const auto out = [&](int n) { return static_cast<X *>(p[n]); };
  const Tokens<X> x{in(0), in(1), in(2), in(3), in(4), in(5), static_cast<const bool *>(p[6])};
  each_state(shape, [&](int64_t g) {
    const auto run = shape.rank == 8   ? forward_state<X, 8>
                     : shape.rank == 4 ? forward_state<X, 4>
                                       : forward_state<X, 0>;
    run(shape, x, g, in(7), out(8), out(9), out(10));
  });
}

template <typename X>
void backward(const int64_t *sizes, void *const *p) {
  const Shape shape{sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]};
  const auto in = [&](int n) { return static_cast<const X *>(p[n]); };
  const auto out = [&](int n) { return static_cast<X *>(p[n]); };
  const Tokens<X> x{in(0), in(1), in(2), in(3), in(4), in(5), static_cast<const bool *>(p[6])};
  const Gradients<X> d{out(10), out(11), out(12), out(13), out(14), out(15)};
  each_state(shape, [&](int64_t g) {
    const auto run = shape.rank == 8   ? backward_state<X, 8>
                     : shape.rank == 4 ? backward_state<X, 4>
                                       : backward_state<X, 0>;
    run(shape, x, d, g, in(7), in(8), in(9), out(16));
  });
}

}  // namespace

extern "C" {
// p: q k v keep erase write mask state | reads final checkpoints; q, mask, checkpoints may be null
void forward_float32(const int64_t *sizes, void *const *p) { forward<float>(sizes, p); }
void forward_float64(const int64_t *sizes, void *const *p) { forward<double>(sizes, p); }
// p: q k v keep erase write mask checkpoints d_reads d_final | d_q d_k d_v d_keep d_erase d_write
// d_state; d_q is null with q
void backward_float32(const int64_t *sizes, void *const *p) { backward<float>(sizes, p); }
void backward_float64(const int64_t *sizes, void *const *p) { backward<double>(sizes, p); }
int64_t piece() { return PIECE; }
}
