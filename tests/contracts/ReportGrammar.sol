// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Answer} from "./FeedHubSetup.sol";
import {ReportModel} from "./ReportModel.sol";

/// @notice Makes reports that are nearly right: a sound one, changed in up to three ways where it hurts.
abstract contract ReportGrammar is ReportModel {
    /// @dev The first `FIELD_KINDS` change fields, before or after the enclaves sign; the next
    ///      `SIGNER_KINDS` who signs; the next `SIGNATURE_KINDS` the signatures; the others raw bytes.
    enum Kind {
        EntriesSwapped,
        EntryRepeated,
        EntryRemoved,
        IndexMoved,
        IndexBeyondTheList,
        HubFlagSet,
        EnclaveFlagSet,
        ValueAtItsBounds,
        ValueAtTheJumpLimit,
        ValueOfAnySize,
        TimeAtTheWindow,
        TimeOfTheStoredRound,
        TimeAny,
        ListAnother,
        CountAnother,
        VersionAnother,
        DomainAnother,
        MaskBitFlipped,
        SeatTwice,
        SignerMissing,
        SignerTooMany,
        PositionEmpty,
        PositionBeyondTheSet,
        OneVendor,
        VendorUnknown,
        SignerExpiring,
        SignaturesSwapped,
        SignatureRepeated,
        SignatureZero,
        SignatureForeign,
        SignatureHighS,
        Truncated,
        Longer,
        BitFlipped,
        WordOverwritten
    }

    struct Draft {
        uint8 version;
        uint256 observedAt;
        bytes32 listRoot;
        uint16 count;
        Answer[] answers;
        uint64 mask;
        /// @dev Position whose key signs, for each signature.
        uint256[] signers;
        bytes32 domain;
    }

    uint256 internal constant KINDS = 35;
    uint256 private constant FIELD_KINDS = 17;
    uint256 private constant SIGNER_KINDS = 9;
    uint256 private constant SIGNATURE_KINDS = 5;

    /// @notice A report, and the kinds of changes made to it, a bit for each.
    function _nearlyRight(uint256 seed) internal view returns (bytes memory report, uint256 kinds) {
        uint256[] memory slots = _lanes();
        Draft memory draft = _sound(_draw(seed, "sound"), slots);
        // None, one, two or three; one most often, so that it decides what becomes of the report.
        uint256 changes = [uint256(0), 1, 1, 1, 1, 2, 2, 3][seed % 8];
        uint256 first = seed / 64 % KINDS;
        for (uint256 i = 0; i < changes; ++i) {
            kinds |= 1 << (first + i * (1 + seed / 4096 % (KINDS - 1))) % KINDS;
        }
        bytes32 digest = _digestOf(draft);
        for (uint256 kind = 0; kind < FIELD_KINDS; ++kind) {
            if (kinds >> kind & 1 == 0) continue;
            _changeField(draft, Kind(kind), _draw(seed, kind), slots);
        }
        // One in four happens on the way, the others in the enclaves.
        if (_draw(seed, "signed") % 4 != 0) digest = _digestOf(draft);
        for (uint256 kind = FIELD_KINDS; kind < FIELD_KINDS + SIGNER_KINDS; ++kind) {
            if (kinds >> kind & 1 == 1) _changeSigners(draft, Kind(kind), _draw(seed, kind));
        }
        report = _assemble(draft, digest);
        for (uint256 kind = FIELD_KINDS + SIGNER_KINDS; kind < KINDS; ++kind) {
            if (kinds >> kind & 1 == 0) continue;
            report = kind < FIELD_KINDS + SIGNER_KINDS + SIGNATURE_KINDS
                ? _changeSignature(report, Kind(kind), _draw(seed, kind), digest)
                : _changeBytes(report, Kind(kind), _draw(seed, kind));
        }
    }

    function _draw(uint256 seed, string memory what) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, what)));
    }

    function _draw(uint256 seed, uint256 kind) private pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed, kind)));
    }

    /// @dev Some feeds near what is stored, of now, by three seats of two vendors at least.
    function _sound(uint256 any, uint256[] memory slots) private view returns (Draft memory draft) {
        draft.version = 1;
        draft.observedAt = block.timestamp - any % 3;
        draft.listRoot = tableRoot;
        draft.domain = hub.domainSeparator();
        uint256 chosen = 1 + (any >> 8) % 4095;
        if (any >> 24 & 3 == 0) chosen = 1 << chosen % FEEDS;
        draft.answers = new Answer[](_ones(chosen));
        draft.count = uint16(draft.answers.length);
        uint256 place;
        for (uint256 i = 0; i < FEEDS; ++i) {
            if (chosen >> i & 1 == 0) continue;
            uint256 stored = _laneOf(slots, i) >> 64;
            int64 value = stored == 0 ? int64(1e9) : int64(uint64(stored));
            uint16 dispersion = uint16(any >> (32 + i));
            draft.answers[place++] = Answer(uint16(i), value, dispersion, uint8(any >> i), 0);
        }
        uint256[M][4] memory quorums =
            [[uint256(0), 2, 4], [uint256(1), 2, 6], [uint256(2), 6, 8], [uint256(1), 4, 6]];
        _setSigners(draft, quorums[(any >> 64) % 4]);
    }

    function _changeField(Draft memory draft, Kind kind, uint256 any, uint256[] memory slots)
        private
        view
    {
        Answer[] memory answers = draft.answers;
        uint256 place = any % answers.length;
        Answer memory one = answers[place];
        uint256 more = any >> 16;
        if (kind == Kind.EntriesSwapped) {
            uint256 other = more % answers.length;
            (answers[place], answers[other]) = (answers[other], answers[place]);
        } else if (kind == Kind.EntryRepeated) {
            _insert(draft, place, one);
        } else if (kind == Kind.EntryRemoved) {
            _remove(draft, place);
        } else if (kind == Kind.IndexMoved) {
            one.index = uint16(more % FEEDS);
        } else if (kind == Kind.IndexBeyondTheList) {
            one.index = [uint16(FEEDS), 13, 1023, 1024, 65_535][more % 5];
        } else if (kind == Kind.HubFlagSet) {
            one.flags |= uint8(16 << more % 4);
        } else if (kind == Kind.EnclaveFlagSet) {
            one.flags |= uint8(1 << more % 4);
        } else if (kind == Kind.CountAnother) {
            uint16 count = draft.count;
            draft.count = [count - 1, count + 1, 0, 1024, 1025, 65_535][more % 6];
        } else if (kind == Kind.VersionAnother) {
            draft.version = uint8(more % 5);
        } else if (kind == Kind.ListAnother) {
            draft.listRoot = more % 3 == 0 ? olderRoot : bytes32(more);
        } else if (kind == Kind.DomainAnother) {
            draft.domain = keccak256(abi.encode(draft.domain));
        } else if (kind < Kind.TimeAtTheWindow) {
            one.value = _value(kind, more, _laneOf(slots, one.index % FEEDS) >> 64);
        } else {
            uint256 storedAt = _laneOf(slots, one.index % FEEDS) >> 32 & type(uint32).max;
            draft.observedAt = _time(kind, more, storedAt);
        }
    }

    function _value(Kind kind, uint256 any, uint256 stored) private pure returns (int64) {
        if (kind == Kind.ValueAtItsBounds) {
            int64[10] memory edges = [
                MIN_ANSWER - 1,
                MIN_ANSWER,
                MAX_ANSWER,
                MAX_ANSWER + 1,
                0,
                1,
                -1,
                -MAX_ANSWER,
                type(int64).min,
                type(int64).max
            ];
            return edges[any % 10];
        }
        if (kind == Kind.ValueAtTheJumpLimit) {
            // Below the limit, at it, or above it; up or down. There is none to a first round.
            if (stored == 0) stored = 1e9;
            uint256 most = stored * JUMP_BPS / 10_000;
            uint256 step = [most - 1, most, most + 1, most + 1 + (any >> 16) % most][any % 4];
            return int64(uint64(any >> 8 & 1 == 0 ? stored + step : stored - step));
        }
        return int64(uint64(any));
    }

    function _time(Kind kind, uint256 any, uint256 storedAt) private view returns (uint256) {
        if (kind == Kind.TimeAtTheWindow) {
            uint256 edge = any & 1 == 0 ? block.timestamp - MAX_AGE_S : block.timestamp + SKEW_S;
            return edge + (any >> 8) % 3 - 1;
        }
        if (kind == Kind.TimeOfTheStoredRound) return storedAt - (storedAt == 0 ? 0 : any % 2);
        return any & 3 == 0 ? type(uint32).max : uint32(any >> 8);
    }

    function _changeSigners(Draft memory draft, Kind kind, uint256 any) private pure {
        if (kind == Kind.MaskBitFlipped) {
            draft.mask ^= uint64(1) << uint64(any % (any >> 8 & 1 == 0 ? 64 : POSITIONS));
        } else if (kind == Kind.SignerMissing) {
            uint256[] memory two = new uint256[](2);
            (two[0], two[1]) = (2, 4);
            _setSigners(draft, two);
        } else if (kind == Kind.SignerTooMany) {
            uint256[] memory four = new uint256[](4);
            (four[0], four[1], four[2], four[3]) = (1, 2, 4, 6);
            _setSigners(draft, four);
            // The length may still be right.
            if (any % 2 == 0) draft.signers = _dynamic([uint256(1), 2, 4]);
        } else if (kind == Kind.SeatTwice) {
            _setSigners(draft, any % 2 == 0 ? [uint256(0), 1, 2] : [uint256(2), EXPIRING, 6]);
        } else if (kind == Kind.PositionEmpty) {
            _setSigners(draft, [uint256(0), 2, 7 + 2 * (any % 2)]);
        } else if (kind == Kind.PositionBeyondTheSet) {
            _setSigners(draft, [uint256(0), 2, POSITIONS + any % (64 - POSITIONS)]);
        } else if (kind == Kind.OneVendor) {
            // The others are of no known vendor.
            _setSigners(draft, any % 2 == 0 ? [uint256(0), 4, 8] : [uint256(5), 6, 8]);
        } else if (kind == Kind.VendorUnknown) {
            _setSigners(draft, [uint256(2), 4, 8]);
        } else {
            _setSigners(draft, [uint256(0), EXPIRING, 6]);
        }
    }

    function _changeSignature(bytes memory report, Kind kind, uint256 any, bytes32 digest)
        private
        pure
        returns (bytes memory)
    {
        // The last three signatures; reports with fewer are too short to reach into the header.
        uint256 end = report.length;
        uint256 at_ = end - 64 * (1 + any % 2);
        uint256 other = end - 64 * (1 + (1 + any) % 2);
        uint256 r = _field(report, at_, 32);
        uint256 vs = _field(report, at_ + 32, 32);
        if (kind == Kind.SignaturesSwapped || kind == Kind.SignatureRepeated) {
            uint256 otherR = _field(report, other, 32);
            uint256 otherVs = _field(report, other + 32, 32);
            _write(report, at_, otherR, otherVs);
            if (kind == Kind.SignaturesSwapped) _write(report, other, r, vs);
        } else if (kind == Kind.SignatureZero) {
            _write(report, at_, any & 256 == 0 ? 0 : r, 0);
        } else if (kind == Kind.SignatureForeign) {
            bytes memory foreign = _sign(1 + any % 1000, digest);
            _write(report, at_, _field(foreign, 0, 32), _field(foreign, 32, 32));
        } else {
            // The other s that verifies has too many bits for its field, but for the rarest keys.
            uint256 high =
                any & 256 == 0 ? ORDER / 2 + 1 + (any >> 9) % 1000 : ORDER - vs % 2 ** 255;
            _write(report, at_, r, high ^ (vs ^ 2 ** 255) / 2 ** 255 * 2 ** 255);
        }
        return report;
    }

    function _changeBytes(bytes memory report, Kind kind, uint256 any)
        private
        pure
        returns (bytes memory)
    {
        uint256 more = any >> 128;
        if (kind == Kind.Truncated) {
            uint256 length = report.length;
            length = any % 2 == 0 ? length - 1 - more % 64 : more % length;
            assembly ("memory-safe") {
                mstore(report, length)
            }
        } else if (kind == Kind.Longer) {
            uint256 length = 1 + more % 64;
            report = abi.encodePacked(report, new bytes(any % 2 == 0 ? 64 : length));
        } else if (report.length >= 32) {
            if (kind == Kind.BitFlipped) {
                report[more % report.length] ^= bytes1(uint8(1 << any % 8));
            } else {
                uint256 at_ = more % (report.length - 31);
                assembly ("memory-safe") {
                    mstore(add(add(report, 32), at_), any)
                }
            }
        }
        return report;
    }

    function _assemble(Draft memory draft, bytes32 digest)
        private
        pure
        returns (bytes memory report)
    {
        report = abi.encodePacked(
            draft.version,
            uint32(draft.observedAt),
            draft.listRoot,
            draft.count,
            _pack(draft.answers),
            draft.mask
        );
        for (uint256 i = 0; i < draft.signers.length; ++i) {
            report = abi.encodePacked(report, _sign(_key(draft.signers[i]), digest));
        }
    }

    function _digestOf(Draft memory draft) private pure returns (bytes32) {
        return _digest(draft.domain, draft.listRoot, uint32(draft.observedAt), _pack(draft.answers));
    }

    function _setSigners(Draft memory draft, uint256[M] memory positions) private pure {
        _setSigners(draft, _dynamic(positions));
    }

    function _dynamic(uint256[M] memory three) private pure returns (uint256[] memory all) {
        all = new uint256[](M);
        for (uint256 i = 0; i < M; ++i) {
            all[i] = three[i];
        }
    }

    function _setSigners(Draft memory draft, uint256[] memory positions) private pure {
        draft.signers = positions;
        draft.mask = 0;
        for (uint256 i = 0; i < positions.length; ++i) {
            draft.mask |= uint64(1) << uint64(positions[i]);
        }
    }

    function _insert(Draft memory draft, uint256 place, Answer memory one) private pure {
        Answer[] memory old = draft.answers;
        draft.answers = new Answer[](old.length + 1);
        for (uint256 i = 0; i < draft.answers.length; ++i) {
            draft.answers[i] = i < place ? old[i] : i == place ? one : old[i - 1];
        }
        draft.count = uint16(draft.answers.length);
    }

    function _remove(Draft memory draft, uint256 place) private pure {
        Answer[] memory old = draft.answers;
        if (old.length == 1) return;
        draft.answers = new Answer[](old.length - 1);
        for (uint256 i = 0; i < draft.answers.length; ++i) {
            draft.answers[i] = old[i < place ? i : i + 1];
        }
        draft.count = uint16(draft.answers.length);
    }

    function _write(bytes memory report, uint256 at_, uint256 r, uint256 vs) private pure {
        assembly ("memory-safe") {
            mstore(add(add(report, 32), at_), r)
            mstore(add(add(report, 64), at_), vs)
        }
    }

    function _ones(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; bits &= bits - 1) {
            ++count;
        }
    }
}
