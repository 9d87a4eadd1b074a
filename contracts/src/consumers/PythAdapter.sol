// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HubConfig, IFeedHub, Round} from "../interfaces/IFeedHub.sol";
import {IPyth, PythPrice, PythPriceFeed, PythTwapPriceFeed} from "../interfaces/IPyth.sol";
import {IPythAdapter} from "../interfaces/IPythAdapter.sol";
import {Narrow} from "../libraries/Narrow.sol";
import {ReportCodec} from "../libraries/ReportCodec.sol";
import {Revert} from "../libraries/Revert.sol";
import {Verified} from "../libraries/VerifiedReport.sol";
import {PullReader} from "./PullReader.sol";

/// @title Feeds of a hub, for consumers of Pyth; see `IPythAdapter`
contract PythAdapter is IPythAdapter {
    using ReportCodec for bytes;

    uint256 private constant MAX_UPDATES = 32;
    uint256 private constant MAX_IDS = 1024;
    /// @dev A dispersion counts tenths of a basis point.
    uint256 private constant DISPERSION_SCALE = 100_000;

    IFeedHub private immutable _hub;

    constructor(IFeedHub hub_) {
        require(address(hub_).code.length != 0, PythAdapter_NoHub(address(hub_)));
        _hub = hub_;
    }

    /// @inheritdoc IPyth
    function updatePriceFeeds(bytes[] calldata updateData) external payable {
        require(msg.value == 0, PythAdapter_ValueSent(msg.value));
        _update(updateData);
    }

    /// @inheritdoc IPyth
    function updatePriceFeedsIfNecessary(
        bytes[] calldata updateData,
        bytes32[] calldata priceIds,
        uint64[] calldata publishTimes
    ) external payable {
        require(msg.value == 0, PythAdapter_ValueSent(msg.value));
        require(priceIds.length == publishTimes.length, InvalidArgument());
        require(priceIds.length <= MAX_IDS, PythAdapter_TooMany(priceIds.length, MAX_IDS));
        for (uint256 i = 0; i < priceIds.length; ++i) {
            if (_publishTime(priceIds[i]) < publishTimes[i]) {
                _update(updateData);
                return;
            }
        }
        revert NoFreshUpdate();
    }

    /// @inheritdoc IPyth
    function parsePriceFeedUpdates(
        bytes[] calldata updateData,
        bytes32[] calldata priceIds,
        uint64 minPublishTime,
        uint64 maxPublishTime
    ) external payable returns (PythPriceFeed[] memory priceFeeds) {
        require(msg.value == 0, PythAdapter_ValueSent(msg.value));
        require(priceIds.length <= MAX_IDS, PythAdapter_TooMany(priceIds.length, MAX_IDS));
        _requireFew(updateData);
        priceFeeds = new PythPriceFeed[](priceIds.length);
        uint16[] memory indexes = _indexesOf(priceIds);
        for (uint256 i = 0; i < updateData.length; ++i) {
            if (_isOutside(updateData[i], minPublishTime, maxPublishTime)) continue;
            // Any age: the hub's window holds, and the caller's range.
            Verified verified = PullReader.verify(_hub, updateData[i], type(uint256).max);
            _fill(priceFeeds, priceIds, indexes, updateData[i], verified);
        }
        for (uint256 i = 0; i < priceFeeds.length; ++i) {
            require(priceFeeds[i].price.publishTime != 0, PriceFeedNotFoundWithinRange());
        }
    }

    /// @inheritdoc IPyth
    function parsePriceFeedUpdatesWithConfig(
        bytes[] calldata,
        bytes32[] calldata,
        uint64,
        uint64,
        bool,
        bool,
        bool
    ) external payable returns (PythPriceFeed[] memory, uint64[] memory) {
        revert PythAdapter_Unsupported(msg.sig);
    }

    /// @inheritdoc IPyth
    function parseTwapPriceFeedUpdates(bytes[] calldata, bytes32[] calldata)
        external
        payable
        returns (PythTwapPriceFeed[] memory)
    {
        revert PythAdapter_Unsupported(msg.sig);
    }

    /// @inheritdoc IPyth
    function parsePriceFeedUpdatesUnique(bytes[] calldata, bytes32[] calldata, uint64, uint64)
        external
        payable
        returns (PythPriceFeed[] memory)
    {
        revert PythAdapter_Unsupported(msg.sig);
    }

    /// @inheritdoc IPyth
    function getPriceNoOlderThan(bytes32 id, uint256 age)
        external
        view
        returns (PythPrice memory price)
    {
        price = getPriceUnsafe(id);
        uint256 distance_s = price.publishTime < block.timestamp
            ? block.timestamp - price.publishTime
            : price.publishTime - block.timestamp;
        require(distance_s <= age, StalePrice());
    }

    /// @inheritdoc IPythAdapter
    function hub() external view returns (IFeedHub) {
        return _hub;
    }

    /// @inheritdoc IPyth
    function getEmaPriceUnsafe(bytes32) external pure returns (PythPrice memory) {
        revert PythAdapter_Unsupported(msg.sig);
    }

    /// @inheritdoc IPyth
    function getEmaPriceNoOlderThan(bytes32, uint256) external pure returns (PythPrice memory) {
        revert PythAdapter_Unsupported(msg.sig);
    }

    /// @inheritdoc IPyth
    function getUpdateFee(bytes[] calldata) external pure returns (uint256) {
        return 0;
    }

    /// @inheritdoc IPyth
    function getTwapUpdateFee(bytes[] calldata) external pure returns (uint256) {
        revert PythAdapter_Unsupported(msg.sig);
    }

    /// @inheritdoc IPyth
    function getPriceUnsafe(bytes32 id) public view returns (PythPrice memory) {
        (bool isListed, uint16 index) = _find(id);
        require(isListed, PriceFeedNotFound());
        try _hub.read(index) returns (Round memory round) {
            return _price(round, _hub.feedInfo(index).decimals);
        } catch (bytes memory reason) {
            require(
                Revert.selectorOf(reason) != IFeedHub.FeedHub_NeverWritten.selector,
                PriceFeedNotFound()
            );
            Revert.bubble(reason);
        }
    }

    function _update(bytes[] calldata updateData) private {
        _requireFew(updateData);
        for (uint256 i = 0; i < updateData.length; ++i) {
            try _hub.submit(updateData[i]) {}
            catch (bytes memory reason) {
                if (!_isOvertaken(updateData[i], Revert.selectorOf(reason))) Revert.bubble(reason);
            }
        }
    }

    /// @dev The two reasons are given only after structure and signatures were found right. One too old
    ///      is overtaken if all its feeds have rounds as new. One of which nothing landed is if any of
    ///      them has a round of the hub's window: that one may have come in between.
    function _isOvertaken(bytes calldata report, bytes4 reason) private view returns (bool) {
        bool isTooOld = reason == IFeedHub.FeedHub_ReportTooOld.selector;
        if (!isTooOld && reason != IFeedHub.FeedHub_NothingLanded.selector) return false;
        HubConfig memory config = _hub.config();
        bytes memory entries = report.decode(config.m);
        uint256 wanted = isTooOld ? report.observedAt() : block.timestamp - config.maxAge_s;
        for (uint256 at_ = entries.start(); at_ != entries.end(); at_ = ReportCodec.following(at_)) {
            bool isThere = _observedAt(Narrow.u16(ReportCodec.entryAt(at_).index())) >= wanted;
            if (isThere != isTooOld) return isThere;
        }
        return isTooOld;
    }

    /// @dev 0 if the feed is unlisted or cannot be read.
    function _publishTime(bytes32 id) private view returns (uint256) {
        (bool isListed, uint16 index) = _find(id);
        return isListed ? _observedAt(index) : 0;
    }

    /// @dev Passes on whatever does not say that the feed is unlisted.
    function _find(bytes32 id) private view returns (bool isListed, uint16 index) {
        try _hub.feedIndex(id) returns (uint16 listed) {
            return (true, listed);
        } catch (bytes memory reason) {
            bool isUnknown = Revert.selectorOf(reason) == IFeedHub.FeedHub_UnknownFeed.selector;
            if (!isUnknown) Revert.bubble(reason);
        }
    }

    /// @dev When the feed's latest round was given; 0 if it cannot be read.
    function _observedAt(uint16 index) private view returns (uint256) {
        try _hub.read(index) returns (Round memory round) {
            return round.observedAt;
        } catch {
            return 0;
        }
    }

    /// @dev What a report says of the feeds that no report before it named.
    function _fill(
        PythPriceFeed[] memory priceFeeds,
        bytes32[] calldata priceIds,
        uint16[] memory indexes,
        bytes calldata report,
        Verified verified
    ) private view {
        for (uint256 i = 0; i < indexes.length; ++i) {
            PythPriceFeed memory feed = priceFeeds[i];
            if (feed.price.publishTime != 0 || !report.names(indexes[i])) continue;
            feed.id = priceIds[i];
            Round memory round = PullReader.roundOf(verified, indexes[i]);
            feed.price = _price(round, _hub.feedInfo(indexes[i]).decimals);
        }
    }

    function _indexesOf(bytes32[] calldata ids) private view returns (uint16[] memory indexes) {
        indexes = new uint16[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) {
            bool isListed;
            (isListed, indexes[i]) = _find(ids[i]);
            require(isListed, PriceFeedNotFoundWithinRange());
        }
    }

    /// @dev False for what has not the form of a report, too: verifying it says why.
    function _isOutside(bytes calldata report, uint256 from, uint256 to)
        private
        pure
        returns (bool)
    {
        if (!report.isFramed()) return false;
        uint256 observedAt = report.observedAt();
        return observedAt < from || observedAt > to;
    }

    function _requireFew(bytes[] calldata updateData) private pure {
        require(
            updateData.length <= MAX_UPDATES, PythAdapter_TooMany(updateData.length, MAX_UPDATES)
        );
    }

    function _price(Round memory round, uint8 decimals) private pure returns (PythPrice memory) {
        uint256 spread = Narrow.positive(round.answer) * round.dispersion;
        uint256 conf = (spread + DISPERSION_SCALE - 1) / DISPERSION_SCALE;
        return PythPrice({
            price: round.answer,
            conf: Narrow.u64(conf),
            // A hub's decimals are at most 18.
            expo: -int32(uint32(decimals)),
            publishTime: round.observedAt
        });
    }
}
