// Finding a part, undistort, crop, resize and normalise with OpenCV called by hand, one thread, to be
// measured against: benches/stages/by_hand.rs compiles it, says what to do and asks for frame after frame.
//
// Everything that does not change from part to part is ready before the first one: the undistorted
// reference, templates of the coarse search in every turn, fixed-point maps.

#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include <opencv2/calib3d.hpp>
#include <opencv2/imgproc.hpp>

namespace {

// How a part lies in the undistorted picture: turned about `pivot`, then shifted.
struct Motion {
    cv::Point2d pivot, shift;
    double turn = 0, score = 0;

    cv::Point2d now(cv::Point2d home) const {
        const double c = std::cos(turn), s = std::sin(turn);
        const cv::Point2d d = home - pivot;
        return cv::Point2d(c * d.x - s * d.y, s * d.x + c * d.y) + pivot + shift;
    }

    // For each pixel of a picture whose first one lies at `origin` at home, where it is now.
    cv::Matx23d from(cv::Point2d origin) const {
        const double c = std::cos(turn), s = std::sin(turn);
        const cv::Point2d at = now(origin);
        return {c, -s, at.x, s, c, at.y};
    }
};

// What is measured, read from standard input's first lines.
struct Job {
    cv::Size frame, input, mark;
    cv::Matx33d camera = cv::Matx33d::eye();
    cv::Vec<double, 5> distortion;
    cv::Rect region;
    float mean = 0, scale = 1;
    double reach_px = 0;
    int shrink = 1;
    std::vector<double> turns;
    std::vector<cv::Point2d> centers; // in the reference as the camera gave it
    std::vector<cv::Mat> frames;      // the reference comes first
};

Job read_job(std::istream &in) {
    Job job;
    int n_turns = 0, n_marks = 0, n_frames = 0;
    in >> job.frame.width >> job.frame.height;
    in >> job.camera(0, 0) >> job.camera(1, 1) >> job.camera(0, 2) >> job.camera(1, 2);
    for (int i = 0; i < 5; ++i) in >> job.distortion[i];
    in >> job.region.x >> job.region.y >> job.region.width >> job.region.height;
    in >> job.input.width >> job.input.height >> job.mean >> job.scale;
    in >> job.reach_px >> job.shrink >> n_turns;
    job.turns.resize(n_turns);
    for (double &turn : job.turns) in >> turn;
    in >> n_marks >> job.mark.width >> job.mark.height;
    job.centers.resize(n_marks);
    for (cv::Point2d &center : job.centers) in >> center.x >> center.y;
    std::string pixels;
    in >> n_frames >> pixels;
    std::ifstream file(pixels, std::ios::binary);
    for (int i = 0; i < n_frames; ++i) {
        cv::Mat frame(job.frame, CV_8U);
        file.read(frame.ptr<char>(), static_cast<std::streamsize>(frame.total()));
        job.frames.push_back(frame);
    }
    return job;
}

// A piece of a picture around `center`, turned.
cv::Mat turned(const cv::Mat &picture, cv::Size size, cv::Point2d center, double turn) {
    const double c = std::cos(turn), s = std::sin(turn);
    // From the template's pixels back to the picture's: the other way round.
    const double mx = (size.width - 1) / 2.0, my = (size.height - 1) / 2.0;
    const cv::Matx23d back{c, s, center.x - c * mx - s * my, -s, c, center.y + s * mx - c * my};
    cv::Mat piece;
    cv::warpAffine(picture, piece, back, size, cv::INTER_LINEAR | cv::WARP_INVERSE_MAP, cv::BORDER_REPLICATE);
    return piece;
}

struct Match {
    cv::Point2d place;
    double score;
};

// The most alike place within `reach` of `around`, to a fraction of a pixel.
Match match(const cv::Mat &picture, const cv::Mat &piece, cv::Point2d around, double reach) {
    const cv::Point2d middle((piece.cols - 1) / 2.0, (piece.rows - 1) / 2.0);
    const cv::Point first(cvFloor(around.x - middle.x - reach), cvFloor(around.y - middle.y - reach));
    const cv::Point last(cvCeil(around.x - middle.x + reach), cvCeil(around.y - middle.y + reach));
    const cv::Rect window = cv::Rect(first, last + cv::Point(piece.size())) & cv::Rect({}, picture.size());
    cv::Mat alike;
    cv::matchTemplate(picture(window), piece, alike, cv::TM_CCOEFF_NORMED);
    double score = 0;
    cv::Point peak;
    cv::minMaxLoc(alike, nullptr, &score, nullptr, &peak);
    const auto top = [&](cv::Point step) {
        const cv::Rect inside({}, alike.size());
        if (!inside.contains(peak - step) || !inside.contains(peak + step)) return 0.0;
        const double a = alike.at<float>(peak - step), b = alike.at<float>(peak), c = alike.at<float>(peak + step);
        return a - 2 * b + c < 0 ? (a - c) / (2 * (a - 2 * b + c)) : 0.0;
    };
    const cv::Point2d beside(top({1, 0}), top({0, 1}));
    return {cv::Point2d(window.tl() + peak) + beside + middle, score};
}

class ByHand {
public:
    explicit ByHand(Job given) : job(std::move(given)) {
        cv::initUndistortRectifyMap(job.camera, job.distortion, {}, job.camera, job.frame, CV_16SC2, map1, map2);
        cv::remap(job.frames[0], reference, map1, map2, cv::INTER_LINEAR, cv::BORDER_REPLICATE);
        cv::undistortPoints(job.centers, homes, job.camera, job.distortion, {}, job.camera);
        for (const cv::Point2d &home : homes) pivot += home * (1.0 / homes.size());
        cv::Mat small;
        shrunk(reference, small);
        const cv::Size size = job.mark / job.shrink;
        for (double turn : job.turns)
            for (const cv::Point2d &home : homes) pieces.push_back(turned(small, size, coarse(home), turn));
    }

    // Fills `undistorted` and says how the part lies.
    Motion find(const cv::Mat &frame) {
        cv::remap(frame, undistorted, map1, map2, cv::INTER_LINEAR, cv::BORDER_REPLICATE);
        shrunk(undistorted, small);
        Motion best{pivot, {}, 0, -1};
        for (std::size_t n = 0; n < job.turns.size(); ++n) {
            const Motion tried{pivot, {}, job.turns[n], 0};
            std::vector<Match> met;
            for (std::size_t i = 0; i < homes.size(); ++i) {
                const cv::Mat &piece = pieces[n * homes.size() + i];
                Match found = match(small, piece, coarse(tried.now(homes[i])), job.reach_px / job.shrink + 1);
                found.place = (found.place + cv::Point2d(0.5, 0.5)) * job.shrink - cv::Point2d(0.5, 0.5);
                met.push_back(found);
            }
            const Motion motion = fit(met);
            if (best.score < motion.score) best = motion;
        }
        std::vector<Match> met;
        for (const cv::Point2d &home : homes) {
            const cv::Mat piece = turned(reference, job.mark, home, best.turn);
            met.push_back(match(undistorted, piece, best.now(home), 3 + 2 * job.shrink));
        }
        return fit(met);
    }

    // The model's input of the frame that was found last.
    const cv::Mat &prepare(const Motion &motion) {
        const int flags = cv::INTER_LINEAR | cv::WARP_INVERSE_MAP;
        const cv::Matx23d back = motion.from(job.region.tl());
        cv::warpAffine(undistorted, region, back, job.region.size(), flags, cv::BORDER_REPLICATE);
        cv::resize(region, resized, job.input, 0, 0, cv::INTER_AREA);
        resized.convertTo(tensor, CV_32F, 1 / job.scale, -job.mean / job.scale);
        return tensor;
    }

    const Job job;

private:
    void shrunk(const cv::Mat &picture, cv::Mat &small) const {
        cv::resize(picture, small, picture.size() / job.shrink, 0, 0, cv::INTER_AREA);
    }

    cv::Point2d coarse(cv::Point2d at) const {
        return (at + cv::Point2d(0.5, 0.5)) * (1.0 / job.shrink) - cv::Point2d(0.5, 0.5);
    }

    // The rigid motion nearest to what was met, clear marks counting more.
    Motion fit(const std::vector<Match> &met) const {
        cv::Point2d from, to;
        double weight = 0, score = 0;
        for (std::size_t i = 0; i < met.size(); ++i) {
            from += homes[i] * met[i].score;
            to += met[i].place * met[i].score;
            weight += met[i].score;
            score += met[i].score / met.size();
        }
        from *= 1 / weight;
        to *= 1 / weight;
        double dot = 0, cross = 0;
        for (std::size_t i = 0; i < met.size(); ++i) {
            const cv::Point2d a = homes[i] - from, b = met[i].place - to;
            dot += met[i].score * a.dot(b);
            cross += met[i].score * a.cross(b);
        }
        return {from, to - from, std::atan2(cross, dot), score};
    }

    cv::Mat map1, map2, reference, undistorted, small, region, resized, tensor;
    std::vector<cv::Point2d> homes;
    cv::Point2d pivot;
    std::vector<cv::Mat> pieces;
};

} // namespace

int main() {
    cv::setNumThreads(1);
    ByHand by_hand(read_job(std::cin));
    using Clock = std::chrono::steady_clock;
    const auto us = [](Clock::duration took) { return std::chrono::duration<double, std::micro>(took).count(); };
    std::cout.precision(std::numeric_limits<double>::max_digits10);
    std::cout << "ready " << cv::getVersionString() << std::endl;
    // Each line: which frame, and where its tensor goes.
    std::size_t index = 0;
    std::string path;
    while (std::cin >> index >> path) {
        const auto start = Clock::now();
        const Motion motion = by_hand.find(by_hand.job.frames.at(index));
        const auto found = Clock::now();
        const cv::Mat &tensor = by_hand.prepare(motion);
        const auto done = Clock::now();
        if (path != "-") {
            std::ofstream file(path, std::ios::binary);
            file.write(tensor.ptr<char>(), static_cast<std::streamsize>(tensor.total() * tensor.elemSize()));
        }
        std::cout << us(found - start) << ' ' << us(done - found) << ' ' << motion.score << std::endl;
    }
}
