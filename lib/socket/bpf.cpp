// SPDX-License-Identifier: BSD-3-Clause
#include "socket/bpf.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace linnet::socket {
namespace {

// The parts of a code.
constexpr std::uint16_t kClass = 0x07, kSize = 0x18, kMode = 0xe0, kOperation = 0xf0, kX = 0x08,
                        kReturnA = 0x10, kTxa = 0x80;
constexpr std::uint16_t kLd = 0, kLdx = 1, kSt = 2, kStx = 3, kAlu = 4, kJump = 5, kRet = 6,
                        kMisc = 7;
constexpr std::uint16_t kImmediate = 0x00, kAbsolute = 0x20, kIndirect = 0x40, kMemory = 0x60,
                        kLength = 0x80, kHeaderLength = 0xa0;
constexpr std::uint16_t kAdd = 0x00, kSub = 0x10, kMul = 0x20, kDiv = 0x30, kOr = 0x40, kAnd = 0x50,
                        kLeft = 0x60, kRight = 0x70, kNegate = 0x80, kModulo = 0x90, kXor = 0xa0;
constexpr std::uint16_t kAlways = 0x00, kEqual = 0x10, kGreater = 0x20, kGreaterEqual = 0x30,
                        kSet = 0x40;
constexpr std::uint32_t kCells = 16;
// Loads at these offsets ask for what is not in the packet (SKF_AD_OFF).
constexpr std::uint32_t kAncillary = 0xfffff000, kProtocol = kAncillary, kKind = kAncillary + 4,
                        kDevice = kAncillary + 8;

bool load_sound(const BpfInstruction& at) {
  const std::uint16_t mode = at.code & kMode;
  const bool word = (at.code & kSize) == 0;
  if ((at.code & kSize) == 0x18) return false;
  if ((at.code & kClass) == kLdx) {
    if (mode == kHeaderLength) return (at.code & kSize) == 0x10;
    return word && (mode == kImmediate || mode == kLength || (mode == kMemory && at.k < kCells));
  }
  switch (mode) {
    case kAbsolute:
      return at.k < kAncillary || at.k == kProtocol || at.k == kKind || at.k == kDevice;
    case kIndirect:
      return true;
    case kImmediate:
    case kLength:
      return word;
    case kMemory:
      return word && at.k < kCells;
    default:
      return false;
  }
}

bool alu_sound(const BpfInstruction& at) {
  const std::uint16_t operation = at.code & kOperation;
  if (operation > kXor) return false;
  const bool constant = (at.code & kX) == 0;
  if ((operation == kDiv || operation == kModulo) && constant) return at.k != 0;
  if ((operation == kLeft || operation == kRight) && constant) return at.k < 32;
  return true;
}

// `left`: instructions behind this one.
bool sound(const BpfInstruction& at, std::size_t left) {
  if (at.code > 0xff) return false;
  switch (at.code & kClass) {
    case kLd:
    case kLdx:
      return load_sound(at);
    case kSt:
    case kStx:
      return at.code <= kStx && at.k < kCells;
    case kAlu:
      return alu_sound(at);
    case kJump:
      if ((at.code & kOperation) == kAlways) return at.code == kJump && at.k < left;
      return (at.code & kOperation) <= kSet && at.jump_true < left && at.jump_false < left;
    case kRet:
      return at.code == kRet || at.code == (kRet | kReturnA);
    default:
      return at.code == kMisc || at.code == (kMisc | kTxa);
  }
}

std::uint32_t calculate(std::uint16_t operation, std::uint32_t a, std::uint32_t by) {
  switch (operation) {
    case kAdd:
      return a + by;
    case kSub:
      return a - by;
    case kMul:
      return a * by;
    case kDiv:
      return by == 0 ? 0 : a / by;
    case kOr:
      return a | by;
    case kAnd:
      return a & by;
    case kLeft:
      return by < 32 ? a << by : 0;
    case kRight:
      return by < 32 ? a >> by : 0;
    case kNegate:
      return 0 - a;
    case kModulo:
      return by == 0 ? 0 : a % by;
    default:
      return a ^ by;
  }
}

bool compare(std::uint16_t operation, std::uint32_t a, std::uint32_t with) {
  switch (operation) {
    case kEqual:
      return a == with;
    case kGreater:
      return a > with;
    case kGreaterEqual:
      return a >= with;
    default:
      return (a & with) != 0;
  }
}

// The registers of a run, and the packet that it reads.
struct Machine {
  packet::PacketRef packet;
  std::uint32_t skip;
  const BpfFilter::Ancillary& about;
  std::uint32_t a = 0, x = 0;
  std::array<std::uint32_t, kCells> cells{};

  std::uint32_t length() const { return packet.length() - skip; }
  // Big-endian number of `size` bytes; false: outside of the packet.
  bool read(std::uint64_t offset, unsigned size, std::uint32_t& out) const {
    if (offset + size > length()) return false;
    std::array<std::byte, 4> bytes{};
    packet.copy_out(static_cast<std::uint32_t>(skip + offset), std::span(bytes).first(size));
    out = 0;
    for (unsigned i = 0; i < size; ++i)
      out = out << 8 | std::to_integer<std::uint32_t>(bytes[i]);
    return true;
  }
  // False: the run ends with 0.
  bool load(const BpfInstruction& at) {
    const bool into_x = (at.code & kClass) == kLdx;
    std::uint32_t& to = into_x ? x : a;
    const unsigned size = (at.code & kSize) == 0 ? 4 : (at.code & kSize) == 0x08 ? 2 : 1;
    switch (at.code & kMode) {
      case kImmediate:
        to = at.k;
        return true;
      case kLength:
        to = length();
        return true;
      case kMemory:
        to = cells[at.k];
        return true;
      case kHeaderLength:
        if (!read(at.k, 1, x)) return false;
        x = (x & 15) * 4;
        return true;
      case kIndirect:
        return read(std::uint64_t{x} + at.k, size, a);
      default:
        break;
    }
    if (at.k < kAncillary) return read(at.k, size, a);
    a = at.k == kProtocol ? about.protocol : at.k == kKind ? about.kind : about.device;
    return true;
  }
};

}  // namespace

BpfFilter BpfFilter::make(std::span<const std::byte> code) {
  const std::size_t size = code.size() / sizeof(BpfInstruction);
  if (size == 0 || size > kMost) return {};
  BpfFilter out;
  out.program_.reset(new BpfInstruction[size]);
  out.size_ = size;
  std::memcpy(out.program_.get(), code.data(), size * sizeof(BpfInstruction));
  for (std::size_t i = 0; i < size; ++i) {
    if (!sound(out.program_[i], size - i - 1)) return {};
  }
  if ((out.program_[size - 1].code & kClass) != kRet) return {};
  return out;
}

// Every jump goes forward, so a run has at most as many steps as instructions.
std::uint32_t BpfFilter::run(packet::PacketRef packet, std::uint32_t skip,
                             const Ancillary& about) const {
  if (packet.length() < skip) return 0;
  Machine m{packet, skip, about};
  for (std::size_t pc = 0; pc < size_; ++pc) {
    const BpfInstruction& at = program_[pc];
    const std::uint32_t operand = (at.code & kX) != 0 ? m.x : at.k;
    switch (at.code & kClass) {
      case kLd:
      case kLdx:
        if (!m.load(at)) return 0;
        break;
      case kSt:
        m.cells[at.k] = m.a;
        break;
      case kStx:
        m.cells[at.k] = m.x;
        break;
      case kAlu:
        // Linux: division by a register of zero ends the run.
        if (operand == 0 && ((at.code & kOperation) == kDiv || (at.code & kOperation) == kModulo))
          return 0;
        m.a = calculate(at.code & kOperation, m.a, operand);
        break;
      case kJump:
        if ((at.code & kOperation) == kAlways)
          pc += at.k;
        else
          pc += compare(at.code & kOperation, m.a, operand) ? at.jump_true : at.jump_false;
        break;
      case kRet:
        return at.code == kRet ? at.k : m.a;
      default:
        ((at.code & kTxa) != 0 ? m.a : m.x) = (at.code & kTxa) != 0 ? m.x : m.a;
        break;
    }
  }
  return 0;
}

}  // namespace linnet::socket
