// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReportCodec} from "contracts/libraries/ReportCodec.sol";

import {Proof} from "./Proof.sol";

/// @notice Domain separation: a digest stands for one chain, hub, list of feeds, moment and entries.
/// @dev For every value of each. Bounded to reports of two entries and one signature, taken for 0 to 3 and
///      0 to 2 of them. keccak256 is any function without
///      collisions.
contract ReportCodecProof is Proof {
    struct Fields {
        bytes32 domain;
        bytes32 listRoot;
        uint32 observedAt;
        uint64 mask;
        bytes14[2] entries;
    }

    function check_domainSeparator_IsOfOneChainAndHub(
        uint64 chain,
        uint64 otherChain,
        address hub,
        address otherHub
    ) public {
        vm.chainId(chain);
        bytes32 domain = ReportCodec.domainSeparator(hub);
        vm.chainId(otherChain);
        bool isSame = domain == ReportCodec.domainSeparator(otherHub);
        assert(isSame == (chain == otherChain && hub == otherHub));
    }

    function check_digest_IsOfOneReport(Fields memory one, Fields memory other) public pure {
        bool isSame = _digest(one) == _digest(other);
        bool isSameHeader = one.domain == other.domain && one.listRoot == other.listRoot
            && one.observedAt == other.observedAt;
        // The mask says who signed; it is not signed.
        assert(
            isSame
                == (isSameHeader && one.entries[0] == other.entries[0]
                        && one.entries[1] == other.entries[1])
        );
    }

    /// @notice What is decoded is what stands in the report, and only the exact length is.
    function check_decode_ReadsWhatIsThere(
        Fields memory fields,
        bytes32[2] memory signature,
        uint8 version,
        uint16 count,
        uint256 m
    ) public {
        m = _each(m, 3);
        count = uint16(_each(count, 4));
        bytes memory packed = _packed(fields);
        (bool isDone, bytes memory result) = address(this)
            .call(
                abi.encodeCall(
                    this.decode,
                    (
                        abi.encodePacked(
                            version,
                            fields.observedAt,
                            fields.listRoot,
                            count,
                            packed,
                            fields.mask,
                            signature
                        ),
                        m
                    )
                )
            );
        // Fewer signatures in the place of more entries: 64 bytes are not a multiple of 14.
        assert(isDone == (version == 1 && count == 2 && m == 1));
        if (!isDone) return;
        (uint256 observedAt, bytes32 listRoot, uint256 mask, bytes memory entries) =
            abi.decode(result, (uint256, bytes32, uint256, bytes));
        assert(observedAt == fields.observedAt && listRoot == fields.listRoot);
        assert(mask == fields.mask && keccak256(entries) == keccak256(packed));
    }

    function decode(bytes calldata report, uint256 m)
        external
        pure
        returns (uint256 observedAt, bytes32 listRoot, uint256 mask, bytes memory entries)
    {
        entries = ReportCodec.decode(report, m);
        observedAt = ReportCodec.observedAt(report);
        listRoot = ReportCodec.listRoot(report);
        mask = ReportCodec.mask(report, entries);
    }

    function _digest(Fields memory fields) private pure returns (bytes32) {
        return
            ReportCodec.digest(fields.observedAt, fields.listRoot, _packed(fields), fields.domain);
    }

    function _packed(Fields memory fields) private pure returns (bytes memory) {
        return abi.encodePacked(fields.entries[0], fields.entries[1]);
    }
}
