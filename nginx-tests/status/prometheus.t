# The metrics of session_sticky_status, as read by promtool and a parser here. tests/monitoring uses a real Prometheus.

use Sticky qw(Status);

use IPC::Open2;

our %line = map { $_ => "127.0.0.1:$port{$_}" } keys %port;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = $block->upstreams =~ s/\bserver ([A-D])\b/server $line{$1}/gr;
    my @names = $upstreams =~ /^upstream (\w+)/mg;
    fill($block, servers('', qw(A B C)) . $upstreams);
    $block->set_value(config => join "\n", 'location /status { session_sticky_status; }', ($block->config // ''),
                                           map { "location /$_/ { proxy_pass http://$_/; proxy_next_upstream off; }" } @names);
});

# The series: maps each name with its labels to the number.
our $text;
sub series {
    $text = body(reply_to('/status?format=prometheus'));
    my %series;
    for (grep { !/^#/ } split /\n/, $text) {
        my ($name, $number) = /^([a-z_]+(?:\{(?:[a-z]+="(?:[^"\\]|\\[\\"n])*",?)+\})?) (\d+)$/ or return {wrong => $_};
        return {twice => $name} if exists $series{$name};
        $series{$name} = $number;
    }
    return \%series;
}

sub is_found_good {
    my ($what) = @_;
    my $child = open2(my $said, my $in, 'promtool check metrics 2>&1') or die $!;
    print $in $text;
    close $in;
    my $complaints = CORE::join '', readline $said;
    waitpid $child, 0;
    equals("$? $complaints", '0 ', "$what: promtool reports nothing");
}

run_tests();

__DATA__

=== metrics of upstreams and servers
--- upstreams
upstream u { server A weight=5; server B backup; server C drain; server D down; session_sticky; }
upstream v { server A; session_sticky cookie=v; }
--- client
visit('/u/', undef);
visit('/u/', 'route=ID_A') for 1 .. 2;
visit('/u/', 'route=ID_C') for 1 .. 3;
visit('/u/', 'route=ID_D');
my $series = series();
is_found_good('all');
my $of = sub { my ($server, $more) = @_; return qq({upstream="u",server="$line{$server}"$more}) };
for (['session_sticky_requests_total' . $of->('A', ',status="new"'), 1], ['session_sticky_requests_total' . $of->('A', ',status="bound"'), 2],
     ['session_sticky_requests_total' . $of->('A', ',status="moved"'), 1], ['session_sticky_requests_total' . $of->('C', ',status="bound"'), 3],
     ['session_sticky_requests_total{upstream="u",server="",status="off"}', 0], ['session_sticky_moved_away_total' . $of->('D', ''), 1],
     ['session_sticky_verdicts_total{upstream="u",verdict="valid"}', 5], ['session_sticky_verdicts_total{upstream="u",verdict="down"}', 1],
     ['session_sticky_actions_total{upstream="u",action="inserted"}', 2], ['session_sticky_server_weight' . $of->('A', ''), 5],
     ['session_sticky_server_connections' . $of->('A', ''), 0],
     ['session_sticky_server_state' . $of->('A', ',state="up"'), 1], ['session_sticky_server_state' . $of->('A', ',state="down"'), 0],
     ['session_sticky_server_state' . $of->('B', ',state="up"'), 1], ['session_sticky_server_state' . $of->('C', ',state="draining"'), 1],
     ['session_sticky_server_state' . $of->('D', ',state="down"'), 1], ['session_sticky_server_leaving_requests' . $of->('C', ''), 3]) {
    my ($name, $number) = @$_;
    equals($series->{$name} // 'none', $number, $name);
}
holds(abs($series->{'session_sticky_server_last_bound_timestamp_seconds' . $of->('C', '')} - time) < 60, 'the time of the last request to C');
holds(!exists $series->{'session_sticky_server_leaving_requests' . $of->('A', '')}, 'only for draining servers');
equals(scalar(grep { /^session_sticky_info\{module="[0-9.]+",nginx="1\.[0-9.]+"\}$/ && $series->{$_} == 1 } keys %$series), 1, 'the versions');
holds($series->{session_sticky_counters_start_timestamp_seconds} > time - 600, 'the start of counting');
holds($series->{session_sticky_counters_bytes} > 0, 'memory of the counters');



=== servers with one address are one series
--- upstreams
upstream u { server A weight=2; server A weight=3; server B; server A backup; session_sticky; }
upstream v { server A; server B; session_sticky cookie=v; }
--- client
my $series = series();
is_found_good('all');
equals($series->{twice}, undef, 'no duplicate');
equals($series->{wrong}, undef, 'every line is valid');
equals($series->{qq(session_sticky_server_weight{upstream="u",server="$line{A}"})}, 2, 'the weight of the first server');
equals(scalar(grep { /^session_sticky_server_connections/ } keys %$series), 4, 'four servers');



=== labels with special characters
--- upstreams eval
CORE::join "\n", map { "upstream $_->[0] { server $_->[1]; session_sticky hash=plain; }" }
    ['"a\"b\\\\c{},="', '"unix:/tmp/a\"}\\\\n{"'], ["\"gr\xc3\xbc\xc3\x9fe\"", "\"unix:/tmp/\xc3\xa9\""], ["\"\xff\xfe\"", "\"unix:/tmp/\xe9\xff\""],
    ["\"two\nlines\"", "\"unix:/tmp/two\nlines\""], ['"same"', "\"unix:/tmp/\xe9\"; server \"unix:/tmp/\xe8\""];
--- client
my $series = series();
is_found_good('all');
equals($series->{twice}, undef, 'no duplicate, even for two addresses with the same text');
equals($series->{wrong}, undef, 'every line is valid');
my $found = sub { my ($label) = @_; return scalar grep { index($_, $label) >= 0 } keys %$series };
holds($found->('upstream="a\"b\\\\c{},=",server="unix:/tmp/a\"}\\\\n{"'), 'quotes and backslashes');
holds($found->("upstream=\"gr\xc3\xbc\xc3\x9fe\",server=\"unix:/tmp/\xc3\xa9\""), 'UTF-8');
holds($found->("upstream=\"\xef\xbf\xbd\xef\xbf\xbd\",server=\"unix:/tmp/\xef\xbf\xbd\xef\xbf\xbd\""), 'invalid UTF-8');
holds($found->('upstream="two\nlines",server="unix:/tmp/two\nlines"'), 'line ends');



=== no sticky upstream
--- upstreams
upstream u { server A; }
--- client
my $series = series();
is_found_good('all');
equals((join ' ', sort map { s/\{.*//r } keys %$series), 'session_sticky_counters_bytes session_sticky_counters_start_timestamp_seconds session_sticky_info', 'only general metrics');
